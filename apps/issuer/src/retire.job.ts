import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { IssuerConfig } from './config.js';
import { Rotations } from './rotation.store.js';

const everyMs = 500;
const slice = 200;

/** Ends secrets whose time is over while their tokens live on. */
@Injectable()
export class RetireJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly rotations: Rotations, private readonly config: IssuerConfig,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'retire', () => this.round());
  }

  /** Locks tokens, not secrets: whoever changes a token's secrets holds its row. */
  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      // All uses up to here are known; a window that ends here has been seen whole.
      const [proven] = await tx.db.query<{ began: Date }>(
        `SELECT coalesce(min(coalesce(watermark, registered_at)), now()) - $1 * interval '1 second' AS began FROM verifier WHERE retired_at IS NULL`, [this.config.zeroTrafficSeconds],
      );
      const began = proven?.began as Date;
      const due = await tx.db.query<{ token_id: string }>(
        `SELECT token_id FROM token WHERE state IN ('active', 'suspended') AND token_id IN (
           (SELECT token_id FROM generation WHERE state <> 'retired' AND LEAST(retires_at, claim_before) <= now() ORDER BY LEAST(retires_at, claim_before) LIMIT ${slice})
           UNION
           (SELECT g.token_id FROM generation g JOIN generation s ON s.token_id = g.token_id AND s.generation > g.generation AND s.state = 'used'
            WHERE g.retires_at IS NOT NULL AND g.state <> 'retired' AND greatest(s.used_at, g.last_used_at) < $1 LIMIT ${slice})
         ) ORDER BY token_id FOR UPDATE SKIP LOCKED`, [began],
      );
      await Promise.all(due.map(async ({ token_id }) => {
        const held = await this.rotations.hold(tx, token_id);
        if (held) await this.rotations.settle(tx, held, began);
      }));
      return due.length >= slice;
    });
  }
}
