import { lookup, type Db } from '@writ/messaging';

export interface KnownToken {
  token_id: string;
  owner_id: string;
  team: string;
  resource: string;
  environment: string;
  scopes: string[];
  issued_at: Date;
  expires_at: Date;
  state: string;
  retired_generation: number;
  team_tokens: number;
}

/** Tokens with what changed since they were issued, and how many their team uses. */
const known = lookup<KnownToken>(
  `SELECT t.*, coalesce(s.state, 'active') state, coalesce(s.retired_generation, 0) retired_generation,
     (SELECT count(*)::int FROM token c LEFT JOIN token_state cs USING (token_id) WHERE c.team = t.team AND c.expires_at > now() AND coalesce(cs.state, 'active') = 'active') team_tokens
   FROM token t LEFT JOIN token_state s USING (token_id) WHERE t.token_id = ANY($1)`,
  (row) => row.token_id,
);

export function tokenById(db: Db, tokenId: string): Promise<KnownToken | undefined> {
  return db.one(known, tokenId);
}

/** Takes over a token's state, unless a later one is known already. */
export async function setState(db: Db, tokenId: string, state: string, version: number): Promise<void> {
  await db.query(
    `INSERT INTO token_state AS s (token_id, state, version) VALUES ($1, $2, $3)
     ON CONFLICT (token_id) DO UPDATE SET state = excluded.state, version = excluded.version WHERE s.version < excluded.version`,
    [tokenId, state, version],
  );
}

export async function setRetired(db: Db, tokenId: string, generation: number, at: Date, code: string): Promise<void> {
  await db.query(
    `INSERT INTO token_state AS s (token_id, retired_generation, retired_at, retired_code) VALUES ($1, $2, $3, $4)
     ON CONFLICT (token_id) DO UPDATE SET retired_generation = excluded.retired_generation, retired_at = excluded.retired_at, retired_code = excluded.retired_code
     WHERE s.retired_generation < excluded.retired_generation`,
    [tokenId, generation, at, code],
  );
}
