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
      const burnt = await tx.db.query<{ digest: Buffer }>(
        `DELETE FROM burn WHERE id IN (SELECT id FROM burn ORDER BY id LIMIT ${slice} FOR UPDATE SKIP LOCKED) RETURNING digest`,
      );
      for (const { digest } of burnt) await this.incidents.leaked(tx, digest, { kind: 'burn' }, 'burned');
      return burnt.length === slice;
    });
  }
}
