import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { AppendStore } from '../entries/append.store.js';
import { ownLeaf } from '../entries/candidate.js';
import { committedHead } from '../site/log.store.js';
import { headsFacts } from './heads.js';
import { lastHeads, pagesOfHeads } from './heads.store.js';

const lookEveryMs = 60_000;
const everyMs = 24 * 3_600_000;
const everyEntries = 100_000;
/** Any constant will do; one at a time per database. */
const lockId = 4_001_702;

/** Seals the ends of all tokens' histories into the log, once a day or every 100,000 entries. */
@Injectable()
export class HeadsJob implements OnModuleInit {
  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly log: AppendStore,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.every(lookEveryMs, 'seal-heads', () => this.round());
  }

  async round(): Promise<void> {
    await this.transactions.run(async (tx) => {
      const [lock] = await tx.db.query<{ got: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS got', [lockId]);
      if (!lock?.got) return;
      const { logId, size } = await committedHead(tx.db, this.config.logOrigin);
      const last = await lastHeads(tx.db, logId);
      const now = this.clock.now();
      if (size === 0 || (last && size - last.seq < everyEntries && now.getTime() - last.recordedAt.getTime() < everyMs)) return;
      // The heads are read before the log is locked: nobody waits for a long read, and `size` says what they are of.
      const facts = await headsFacts(size, pagesOfHeads(tx.db, logId, size));
      if (facts.tokens > 0) await this.log.append(tx.db, [ownLeaf(this.clock.newId('evt'), 'log.heads', now, facts)]);
    });
  }
}
