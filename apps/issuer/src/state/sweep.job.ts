import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Courtesy, Health, Jobs } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Stops } from './stop.store.js';
import type { TokenRow } from '../tokens/token.row.js';

const everyMs = 500;
const slice = 500;

/**
 * Says of each token that an epoch ended that it has ended. Verifiers refuse them from the epoch's entry on; this
 * brings rows and listeners after it, slice by slice, without holding anything up.
 */
@Injectable()
export class SweepJob implements OnModuleInit {
  private readonly courtesy = new Courtesy();

  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly health: Health,
    private readonly config: IssuerConfig,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'sweep-epochs', () => this.round());
  }

  /** One replica at a time, one epoch after the other. */
  private async round(): Promise<boolean> {
    if (!this.health.hasRoom(this.config.outboxLimit)) return false;
    return this.courtesy.piece(() => this.transactions.run(async (tx) => {
      const [swept] = await tx.db.query<{ seq: string }>('SELECT seq FROM epoch_swept FOR UPDATE SKIP LOCKED');
      if (!swept) return false;
      const [epoch] = await tx.db.query<{ seq: string; owner_id: string | null; reason_code: string }>(
        `SELECT seq, owner_id, reason_code FROM state_log WHERE kind = 'epoch' AND seq > $1 ORDER BY seq LIMIT 1`, [swept.seq],
      );
      if (!epoch) return false;
      const tokens = await tx.db.query<TokenRow>(
        `SELECT * FROM token WHERE issue_seq < $1 AND state IN ('issued', 'active', 'suspended') ${epoch.owner_id === null ? 'AND $2::text IS NULL' : 'AND owner_id = $2'}
         ORDER BY token_id LIMIT ${slice} FOR UPDATE`, [epoch.seq, epoch.owner_id],
      );
      const by = { kind: epoch.reason_code === 'owner-deactivated' ? 'owner-deactivated' : 'issuer' } as const;
      await this.stops.apply(tx, tokens, { kind: 'revoke', by, code: epoch.reason_code });
      if (tokens.length < slice) await tx.db.query('UPDATE epoch_swept SET seq = $1', [epoch.seq]);
      return true;
    }));
  }
}
