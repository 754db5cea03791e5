import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { AppendStore } from '../entries/append.store.js';
import { ownLeaf } from '../entries/candidate.js';
import { committedHead } from '../site/log.store.js';
import { Sealing, type HeadsFacts } from './heads.js';
import { allHeads, dropOldPages, lastHeads, writePages, type SealedHeads } from './heads.store.js';

const lookEveryMs = 60_000;
const everyMs = 24 * 3_600_000;
const everyEntries = 100_000;
/** Any constant will do; one at a time per database. */
const lockId = 4_001_702;

/** Seals the ends of all tokens' histories into the log, once a day or every 100,000 entries, or as many as there are tokens. */
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
      const { db } = tx;
      const [lock] = await db.query<{ got: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS got', [lockId]);
      if (!lock?.got) return;
      const { logId, size } = await committedHead(db, this.config.logOrigin);
      const last = await lastHeads(db, logId, size);
      const now = this.clock.now();
      if (last && !isDue(size, last, now)) return;
      // The heads are read before the log is locked: nobody waits for a long read, and the leaf says what they are of.
      const facts = await sealAll(db, logId);
      if (!facts) return;
      if (last) await dropOldPages(db, logId, last.size);
      await this.log.append(db, [ownLeaf(this.clock.newId('evt'), 'log.heads', now, { ...facts })]);
    });
  }
}

/** As many entries as there are tokens, at the least: reading all heads must cost each entry the same, however many they are. */
function isDue(size: number, last: SealedHeads, now: Date): boolean {
  return size - last.seq >= Math.max(everyEntries, last.tokens) || now.getTime() - last.recordedAt.getTime() >= everyMs;
}

async function sealAll(db: Db, logId: number): Promise<HeadsFacts | undefined> {
  let sealing: Sealing | undefined;
  let sealedSize = 0;
  for await (const { size, heads } of allHeads(db, logId)) {
    sealing ??= new Sealing(sealedSize = size);
    await writePages(db, logId, size, sealing.add(heads));
  }
  if (!sealing) return undefined;
  const { pages, facts } = sealing.end();
  await writePages(db, logId, sealedSize, pages);
  return facts;
}
