import { randomInt } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import type { KeyProvider } from '@writ/token';
import { follow, logBegin, type Followed } from './check-log.js';
import { KEYS } from '../keys.store.js';
import { Replica } from '../fleet/replica.job.js';
import type { LogRow } from './state-log.store.js';

// As many at a time as nobody who verifies notices.
const everyMs = 250;
const readAtOnce = 2_000;
const countedAtOnce = 50_000;
/** From the end of one pass to the next: a short log is not gone over without end. */
const restMs = 2_000;

/**
 * Goes over the whole state log again and again, so that what is changed in its past is found too: entries that were
 * taken away by counting, edited ones by the chain. Replicas begin at places of their own, so several find it sooner.
 */
@Injectable()
export class Recheck implements OnModuleInit {
  private read?: Followed;
  private readAgainAt = 0;
  private counted = 0;
  private countAgainAt = 0;

  constructor(
    private readonly replica: Replica, private readonly transactions: Transactions<'issuer'>, private readonly jobs: Jobs, @Inject(KEYS) private readonly keys: KeyProvider,
  ) {}

  onModuleInit(): void {
    this.jobs.everyOwn(everyMs, 'recheck-state-log', () => this.round());
  }

  private async round(): Promise<void> {
    await this.replica.hearDoubt();
    if (!this.replica.inDoubt && performance.now() >= this.countAgainAt) await this.count();
    if (!this.replica.inDoubt && performance.now() >= this.readAgainAt) await this.follow();
  }

  private async count(): Promise<void> {
    const from = this.counted;
    const upTo = Math.min(from + countedAtOnce, this.replica.headSeq);
    const [found] = await this.transactions.read((db) => db.query<{ n: string }>('SELECT count(*) AS n FROM state_log WHERE seq > $1 AND seq <= $2', [from, upTo]));
    if (Number(found?.n) !== upTo - from) return this.replica.distrust(`of the entries ${from + 1} to ${upTo} of the state log only ${found?.n} are there`);
    const isAll = upTo - from < countedAtOnce;
    this.counted = isAll ? 0 : upTo;
    if (isAll) this.countAgainAt = performance.now() + restMs;
  }

  private async follow(): Promise<void> {
    const upTo = this.replica.headSeq;
    const from = this.read ??= await this.somewhere(upTo);
    const rows = await this.transactions.read((db) => db.query<LogRow>(`SELECT * FROM state_log WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT ${readAtOnce}`, [from.seq, upTo]));
    const followed = await follow(this.keys, from, rows);
    if (typeof followed === 'string') return this.replica.distrust(followed);
    this.read = followed;
    if (rows.length === readAtOnce) return;
    if (followed.seq < upTo) return this.replica.distrust(`entry ${followed.seq + 1} of the state log is missing`);
    this.read = logBegin;
    this.readAgainAt = performance.now() + restMs;
    await this.replica.tidy();
  }

  /** The link there is not checked, but the next one is made of it. */
  private async somewhere(upTo: number): Promise<Followed> {
    const seq = randomInt(upTo + 1);
    const [row] = await this.transactions.read((db) => db.query<{ chain: Buffer }>('SELECT chain FROM state_log WHERE seq = $1', [seq]));
    return row ? { seq, chain: row.chain } : logBegin;
  }
}
