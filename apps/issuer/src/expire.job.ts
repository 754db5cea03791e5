import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Stops } from './stop.store.js';
import type { TokenRow } from './token.row.js';

const everyMs = 500;
const slice = 500;

/** Ends what is over, by the database's time. Verification refuses on the second by itself; this makes it known. */
@Injectable()
export class ExpireJob implements OnModuleInit {
  constructor(private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'expire', () => this.round());
  }

  /** @returns whether there is more; replicas share the work, and what is not due costs nothing */
  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const due = await tx.db.query<TokenRow & { over: boolean }>(
        `SELECT *, expires_at <= now() AS over FROM token WHERE state IN ('issued', 'active', 'suspended') AND ends_at <= now()
         ORDER BY ends_at LIMIT ${slice} FOR UPDATE SKIP LOCKED`,
      );
      const by = { kind: 'issuer' } as const;
      await this.stops.apply(tx, due.filter(({ over }) => over), { kind: 'expire', by, code: 'expired' });
      await this.stops.apply(tx, due.filter(({ over }) => !over), { kind: 'expire', by, code: 'unclaimed' });
      return due.length === slice;
    });
  }
}
