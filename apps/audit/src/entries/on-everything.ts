import { eventTypes, type Message } from '@writ/contracts';
import { MessageHandler, On, Unavailable, type Tx } from '@writ/messaging';
import { Health } from '@writ/service';
import { AuditConfig } from '../config.js';
import { Findings } from '../monitor/findings.store.js';
import { LogTampered } from '../site/log.store.js';
import { AppendStore, ClockBehind, type Entry } from './append.store.js';
import { candidateOf, type Candidate } from './candidate.js';
import { randomSource } from '../subjects/random.store.js';
import { saltBytes } from './disclosure.js';

/** One leaf per event. The events of a transaction are gathered and appended together, in the order they came. */
@MessageHandler()
export class OnEverything {
  private readonly gathered = new WeakMap<Tx<'audit'>, Candidate[]>();
  private readonly salt = randomSource(saltBytes);

  private trouble?: string;

  constructor(private readonly config: AuditConfig, private readonly log: AppendStore, private readonly findings: Findings, health: Health) {
    health.add(() => this.trouble);
  }

  @On(...eventTypes)
  hear(message: Message, tx: Tx<'audit'>): void {
    let candidates = this.gathered.get(tx);
    if (!candidates) {
      const all: Candidate[] = (candidates = []);
      this.gathered.set(tx, all);
      tx.beforeCommit(async () => this.tellConflicts(tx, await this.append(tx, all)));
    }
    candidates.push(candidateOf(message, this.salt));
  }

  /** Where nothing can be recorded, somebody must know at once: the events wait at the broker, whose room has an end. */
  private async append(tx: Tx<'audit'>, candidates: readonly Candidate[]): Promise<readonly Entry[]> {
    try {
      const entries = await this.log.append(tx.db, candidates);
      this.trouble = undefined;
      this.findings.replace('append', []);
      return entries;
    } catch (error) {
      if (error instanceof Unavailable) this.trouble = `nothing can be recorded: ${error.message}`;
      if (error instanceof LogTampered) this.findings.replace('append', [{ code: 'head-differs', detail: error.message }]);
      if (error instanceof ClockBehind) this.findings.replace('append', [{ code: 'clock-behind', detail: error.message }]);
      throw error;
    }
  }

  private tellConflicts(tx: Tx<'audit'>, entries: readonly Entry[]): void {
    for (const { seq, candidate } of entries) {
      if (candidate.type !== 'audit.conflict') continue;
      const { logOrigin: origin } = this.config;
      tx.emit('audit.finding', { origin, code: 'event-conflict', detail: 'Another event came under the id of one that is recorded.', entry: seq }, { subject: origin });
    }
  }
}
