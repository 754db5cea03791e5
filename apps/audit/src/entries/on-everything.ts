import { eventTypes, type Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { AuditConfig } from '../config.js';
import { AppendStore, type Entry } from './append.store.js';
import { candidateOf, type Candidate } from './candidate.js';
import { randomSource } from '../subjects/random.store.js';
import { saltBytes } from './disclosure.js';

/** One leaf per event. The events of a transaction are gathered and appended together, in the order they came. */
@MessageHandler()
export class OnEverything {
  private readonly gathered = new WeakMap<Tx<'audit'>, Candidate[]>();
  private readonly salt = randomSource(saltBytes);

  constructor(private readonly config: AuditConfig, private readonly log: AppendStore) {}

  @On(...eventTypes)
  hear(message: Message, tx: Tx<'audit'>): void {
    let candidates = this.gathered.get(tx);
    if (!candidates) {
      const all: Candidate[] = (candidates = []);
      this.gathered.set(tx, all);
      tx.beforeCommit(async () => this.tellConflicts(tx, await this.log.append(tx.db, all)));
    }
    candidates.push(candidateOf(message, this.salt));
  }

  private tellConflicts(tx: Tx<'audit'>, entries: readonly Entry[]): void {
    for (const { seq, candidate } of entries) {
      if (candidate.type !== 'audit.conflict') continue;
      tx.emit('audit.finding', { origin: this.config.logOrigin, code: 'event-conflict', detail: 'Another event came under the id of one that is recorded.', entry: seq }, { subject: this.config.logOrigin });
    }
  }
}
