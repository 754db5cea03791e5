import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Incidents } from './incident.store.js';

const everyMs = 250;
const slice = 100;

/** Deals with the secrets that were handed in. */
@Injectable()
export class BurnJob implements OnModuleInit {
  constructor(private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly incidents: Incidents) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'burn', () => this.round());
  }

  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      // The first one first: of a secret that several handed in, its time is what counts.
      const burnt = await tx.db.query<{ digest: Buffer; received_at: Date }>(
        `WITH due AS (DELETE FROM burn WHERE id IN (SELECT id FROM burn ORDER BY id LIMIT ${slice} FOR UPDATE SKIP LOCKED) RETURNING *)
         SELECT digest, received_at FROM due ORDER BY id`,
      );
      if (burnt.length > 0) await this.incidents.leaked(tx, burnt.map(({ digest, received_at }) => ({ digest, reportedAt: received_at })), { by: { kind: 'burn' }, code: 'burned' });
      return burnt.length === slice;
    });
  }
}
