import { Injectable } from '@nestjs/common';
import type { TokenId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { MonitorConfig } from './config.js';

interface Wide {
  token_id: TokenId;
  owner_id: string;
  team: string;
  keep: string[];
  drop: string[];
  resource: string;
  environment: string;
  expires_at: Date;
}

const atOnce = 200;

/** Proposes a smaller token to owners whose token has scopes that it does not use: once, and again when that changed. */
@Injectable()
export class NarrowJob {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly config: MonitorConfig, jobs: Jobs) {
    jobs.every(3_600_000, 'propose-narrowing', () => this.propose());
  }

  /** A token never used is nothing to narrow, and a young one has not shown yet what it needs. @returns whether there may be more */
  propose(): Promise<boolean> {
    const days = this.config.unusedScopeDays;
    return this.transactions.run(async (tx) => {
      const wide = await tx.db.query<Wide>(
        `WITH use AS (
           SELECT t.*,
             ARRAY(SELECT value FROM usage_source u WHERE u.token_id = t.token_id AND kind = 'scope' AND last_at > now() - $1 * interval '1 day' AND value = ANY(t.scopes) ORDER BY value) keep
           FROM token t LEFT JOIN token_state s USING (token_id)
           WHERE cardinality(t.scopes) > 1 AND t.issued_at < now() - $1 * interval '1 day' AND t.expires_at > now() AND coalesce(s.state, 'active') = 'active'),
         wide AS (
           SELECT use.*, ARRAY(SELECT unnest(scopes) EXCEPT SELECT unnest(keep) ORDER BY 1) drop FROM use WHERE cardinality(keep) BETWEEN 1 AND cardinality(scopes) - 1),
         put AS (INSERT INTO narrowing AS n (token_id, dropped) SELECT token_id, drop FROM wide w
           WHERE NOT EXISTS (SELECT 1 FROM narrowing o WHERE o.token_id = w.token_id AND o.dropped = w.drop) ORDER BY token_id LIMIT $2
         ON CONFLICT (token_id) DO UPDATE SET dropped = excluded.dropped, proposed_at = now()
           RETURNING token_id)
         SELECT w.* FROM wide w JOIN put USING (token_id)`,
        [days, atOnce],
      );
      for (const { token_id: tokenId, owner_id, team, keep, drop, resource, environment, expires_at } of wide) {
        tx.emit('narrowing.proposed', { tokenId, owner: { id: owner_id, team }, keep, drop, unusedDays: days, resource, environment, expiresAt: expires_at.toISOString() });
      }
      return wide.length === atOnce;
    });
  }
}
