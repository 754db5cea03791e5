import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Transactions } from '@writ/messaging';
import { Courtesy, Health, Jobs } from '@writ/service';
import { waitingRows } from './backlog.store.js';
import { IssuerConfig } from '../config.js';
import { Stops, type Stoppable } from './stop.store.js';

const everyMs = 500;
const slice = 250;

/**
 * Ends what is over, by the database's time. Verification refuses on the second by itself; this makes it known, and
 * where a million end at once only as fast as the rest of the platform is not held up.
 */
@Injectable()
export class ExpireJob implements OnModuleInit {
  private readonly courtesy = new Courtesy();

  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly health: Health,
    private readonly config: IssuerConfig,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'expire', () => this.round());
    const gauge: Gauge = new Gauge({
      name: 'writ_expiries_due', help: 'Tokens whose end has come and is not said yet (beyond 10,000 an estimate)', registers: [this.health.registry],
      collect: async () => gauge.set(await this.due()),
    });
  }

  /** @returns whether there is more; replicas share the work, and what is not due costs nothing */
  private async round(): Promise<boolean> {
    if (!this.health.hasRoom(this.config.outboxLimit)) return false;
    const ended = await this.courtesy.piece(() => this.transactions.run(async (tx) => {
      const due = await tx.db.query<Stoppable & { over: boolean }>(
        `SELECT token_id, request_id, state, version, claimed_at, expires_at <= now() AS over FROM token WHERE state IN ('issued', 'active', 'suspended') AND ends_at <= now()
         ORDER BY ends_at LIMIT ${slice} FOR UPDATE SKIP LOCKED`,
      );
      const by = { kind: 'issuer' } as const;
      await this.stops.apply(tx, due.filter(({ over }) => over), { kind: 'expire', by, code: 'expired' });
      await this.stops.apply(tx, due.filter(({ over }) => !over), { kind: 'expire', by, code: 'unclaimed' });
      return due.length;
    }));
    if (ended < slice) return false;
    await this.health.measure(); // Between two measures of its own a whole second of these would pass.
    return true;
  }

  private due(): Promise<number> {
    return this.transactions.read((db) => waitingRows(db, `FROM token WHERE state IN ('issued', 'active', 'suspended') AND ends_at <= now()`));
  }
}
