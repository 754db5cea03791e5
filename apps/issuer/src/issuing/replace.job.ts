import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Stops } from '../state/stop.store.js';
import type { TokenRow } from '../tokens/token.row.js';
import { usesKnownUntil } from '../fleet/watermark.store.js';

const everyMs = 10_000;
const slice = 200;

/**
 * Ends tokens that another one replaces, as rotation ends old secrets: once the successor is used and nobody has shown
 * the old token for a while, or its grace is over. Nobody loses a token before the next one works.
 */
@Injectable()
export class ReplaceJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly config: IssuerConfig,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'end-replaced', () => this.round());
  }

  /** @returns whether there may be more */
  round(): Promise<boolean> {
    const { zeroTrafficSeconds, graceSeconds } = this.config;
    return this.transactions.run(async (tx) => {
      const over = await tx.db.query<TokenRow>(
        `WITH proven AS (SELECT ${usesKnownUntil} - $1 * interval '1 second' AS began)
         SELECT o.* FROM token o, proven WHERE o.state IN ('issued', 'active', 'suspended') AND EXISTS (
           SELECT 1 FROM token n JOIN generation g ON g.token_id = n.token_id
           WHERE n.replaces = o.token_id AND n.owner_id = o.owner_id AND n.resource = o.resource AND n.environment = o.environment AND n.state = 'active'
             AND (greatest(g.used_at, o.last_used_at) < began AND g.used_at IS NOT NULL OR g.used_at + coalesce(n.grace_seconds, $2) * interval '1 second' <= now()))
         AND o.token_id IN (SELECT replaces FROM token WHERE replaces IS NOT NULL)
         ORDER BY o.token_id LIMIT ${slice} FOR UPDATE OF o SKIP LOCKED`,
        [zeroTrafficSeconds, graceSeconds],
      );
      await this.stops.apply(tx, over, { kind: 'revoke', by: { kind: 'issuer' }, code: 'replaced' });
      return over.length === slice;
    });
  }
}
