import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { committedHead } from '../site/log.store.js';
import { Gone, type Finding } from './finding.js';
import { Findings, mostKept } from './findings.store.js';
import { compareUses } from './inspect.js';
import { goneSince, issuedOf, nextUseBatch } from './monitor.store.js';
import { restMs } from './rest.js';

const everyMs = 250;
const longestWorkMs = 200;

/**
 * Compares the records of every batch of uses with the root that its leaf holds, batch by batch and for ever, and looks
 * whether each token that was used was ever issued. The leaves themselves are the patrol's.
 */
@Injectable()
export class UsesJob implements OnModuleInit {
  private next = 0;
  private restingUntil = 0;
  private found: Finding[] = [];
  private readonly gone = { entries: new Gone(), uses: new Gone() };
  private goneUpTo = 0;

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly findings: Findings,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'patrol-uses', () => this.transactions.read((db) => this.round(db)));
  }

  /** As many batches as a short while allows. */
  async round(db: Db): Promise<void> {
    const startedAt = this.clock.nowMs();
    if (startedAt < this.restingUntil) return;
    const { logId, size } = await committedHead(db, this.config.logOrigin);
    for (let now = startedAt; now < startedAt + longestWorkMs; now = this.clock.nowMs()) {
      const batch = await nextUseBatch(db, logId, this.next, size);
      if (!batch) return this.endCycle(now);
      this.goneUpTo = await goneSince(db, logId, this.goneUpTo, this.gone);
      const { findings, tokens } = compareUses(batch, this.gone.uses);
      const isSettled = batch.recordedAt.getTime() < now - this.config.auditGraceSeconds * 1_000;
      const found = [...findings, ...(isSettled ? await this.neverIssued(db, logId, batch.index, tokens) : [])];
      this.findings.add('uses', found);
      if (this.found.length < mostKept) this.found.push(...found);
      this.next = batch.index + 1;
    }
    const now = this.clock.nowMs();
    this.restingUntil = now + restMs(now - startedAt, this.config.auditPatrolShare);
  }

  private async neverIssued(db: Db, logId: number, index: number, tokens: readonly string[]): Promise<Finding[]> {
    const issued = await issuedOf(db, logId, tokens);
    const [token] = tokens.filter((each) => !issued.has(each));
    return token === undefined ? [] : [{ code: 'use-without-issue', detail: `Entry ${index} tells of uses of ${token}, which was never issued.`, index }];
  }

  private endCycle(now: number): void {
    this.findings.replace('uses', this.found);
    this.found = [];
    this.next = 0;
    this.restingUntil = now + this.config.auditPatrolSeconds * 1_000;
  }
}
