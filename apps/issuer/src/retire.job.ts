import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Rotations } from './rotation.store.js';

const everyMs = 500;
const slice = 200;

/** Ends secrets whose time is over while their tokens live on. */
@Injectable()
export class RetireJob implements OnModuleInit {
  constructor(private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly rotations: Rotations) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'retire', () => this.round());
  }

  /** Locks tokens, not secrets: whoever changes a token's secrets holds its row. */
  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const due = await tx.db.query<{ token_id: string }>(
        `SELECT token_id FROM token WHERE state IN ('active', 'suspended') AND token_id IN (
           SELECT token_id FROM generation WHERE state <> 'retired' AND LEAST(retires_at, claim_before) <= now() ORDER BY LEAST(retires_at, claim_before) LIMIT ${slice}
         ) ORDER BY token_id FOR UPDATE SKIP LOCKED`,
      );
      for (const { token_id } of due) {
        const held = await this.rotations.hold(tx, token_id);
        if (held) await this.rotations.settle(tx, held);
      }
      return due.length === slice;
    });
  }
}
