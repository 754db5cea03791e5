import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Transactions } from '@writ/messaging';
import { Health, Jobs } from '@writ/service';
import { waitingRows } from '../state/backlog.store.js';
import { IssuerConfig } from '../config.js';
import { Rotations } from './rotation.store.js';
import { usesKnownUntil } from '../fleet/watermark.store.js';

const everyMs = 500;
const slice = 200;
/** Not the first secret that nobody claimed: with it its token ends. */
const isDue = `state <> 'retired' AND (rotation_id IS NOT NULL OR retires_at IS NOT NULL) AND LEAST(retires_at, claim_before) <= now()`;

/** Ends secrets whose time is over while their tokens live on. */
@Injectable()
export class RetireJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly rotations: Rotations, private readonly config: IssuerConfig,
    private readonly health: Health,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'retire', () => this.round());
    const gauge: Gauge = new Gauge({
      name: 'writ_retirements_due', help: 'Secrets whose end has come and is not said yet (beyond 10,000 an estimate)', registers: [this.health.registry],
      collect: async () => gauge.set(await this.due()),
    });
  }

  /** Locks tokens, not secrets: whoever changes a token's secrets holds its row. */
  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      // A window that ends where all uses are known has been seen whole.
      const [proven] = await tx.db.query<{ began: Date }>(`SELECT ${usesKnownUntil} - $1 * interval '1 second' AS began`, [this.config.zeroTrafficSeconds]);
      const began = proven?.began as Date;
      const due = await tx.db.query<{ token_id: string }>(
        `SELECT token_id FROM token WHERE state IN ('active', 'suspended') AND token_id IN (
           (SELECT token_id FROM generation WHERE ${isDue} ORDER BY LEAST(retires_at, claim_before) LIMIT ${slice})
           UNION
           (SELECT token_id FROM generation WHERE state <> 'retired' AND retires_at IS NOT NULL AND last_used_at < $1 ORDER BY last_used_at LIMIT ${slice})
         ) ORDER BY token_id FOR UPDATE SKIP LOCKED`, [began],
      );
      await Promise.all(due.map(async ({ token_id }) => {
        const held = await this.rotations.hold(tx, token_id);
        if (held) await this.rotations.settle(tx, held, began);
      }));
      return due.length >= slice;
    });
  }

  private due(): Promise<number> {
    return this.transactions.read((db) => waitingRows(db, `FROM generation WHERE ${isDue}`));
  }
}
