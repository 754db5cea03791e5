import type { TokenId } from '@writ/contracts';
import { toJson, type Db } from '@writ/messaging';
import { anyScope } from '../baselines/observe.js';

/** A token with scopes that it does not use. */
export interface Wide {
  token_id: TokenId;
  owner_id: string;
  team: string;
  keep: string[];
  drop: string[];
  resource: string;
  environment: string;
  expires_at: Date;
}

/** The next living tokens that have scopes to spare at all, in the order of their ids. */
export async function nextTokens(db: Db, after: string, limit: number): Promise<string[]> {
  const rows = await db.query<{ token_id: string }>('SELECT token_id FROM token WHERE token_id > $1 AND cardinality(scopes) > 1 AND expires_at > now() ORDER BY token_id LIMIT $2', [after, limit]);
  return rows.map(({ token_id }) => token_id);
}

/**
 * Those of the tokens that a smaller one would do for. One never used is nothing to narrow, a young one has not shown yet
 * what it needs, and of one that a gateway lets pass without naming scopes nobody can tell.
 */
export function wideAmong(db: Db, tokenIds: readonly string[], unusedDays: number): Promise<Wide[]> {
  return db.query<Wide>(
    `WITH lately AS (SELECT token_id, value FROM usage_source WHERE token_id = ANY($1) AND kind = 'scope' AND last_at > now() - $2 * interval '1 day'),
     use AS (
       SELECT t.*, ARRAY(SELECT value FROM lately l WHERE l.token_id = t.token_id AND value = ANY(t.scopes) ORDER BY value) keep
       FROM token t LEFT JOIN token_state s USING (token_id)
       WHERE t.token_id = ANY($1) AND t.issued_at < now() - $2 * interval '1 day' AND t.expires_at > now() AND coalesce(s.state, 'active') = 'active'
         AND NOT EXISTS (SELECT 1 FROM lately l WHERE l.token_id = t.token_id AND l.value = $3))
     SELECT use.*, ARRAY(SELECT unnest(scopes) EXCEPT SELECT unnest(keep) ORDER BY 1) drop FROM use WHERE cardinality(keep) BETWEEN 1 AND cardinality(scopes) - 1 ORDER BY token_id`,
    [tokenIds, unusedDays, anyScope],
  );
}

/** Notes what is proposed. @returns the tokens of which it was not proposed already */
export async function noteProposals(db: Db, wide: readonly Wide[]): Promise<Set<string>> {
  const rows = await db.query<{ token_id: string }>(
    `INSERT INTO narrowing AS n (token_id, dropped) SELECT token_id, drop FROM json_to_recordset($1::json) AS r(token_id text, drop text[]) ORDER BY token_id
     ON CONFLICT (token_id) DO UPDATE SET dropped = excluded.dropped, proposed_at = now() WHERE n.dropped <> excluded.dropped RETURNING token_id`, [toJson(wide)],
  );
  return new Set(rows.map(({ token_id }) => token_id));
}
