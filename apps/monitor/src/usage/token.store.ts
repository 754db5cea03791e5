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
}

/** Tokens with what changed since they were issued. */
const known = lookup<KnownToken>(
  `SELECT t.*, coalesce(s.state, 'active') state, coalesce(s.retired_generation, 0) retired_generation
   FROM token t LEFT JOIN token_state s USING (token_id) WHERE t.token_id = ANY($1)`,
  (row) => row.token_id,
);

export function tokenById(db: Db, tokenId: string): Promise<KnownToken | undefined> {
  return db.one(known, tokenId);
}

/** Of each team once, however many of its tokens are judged. */
const used = lookup<{ team: string; tokens: number }>(
  `SELECT t.team, count(*)::int tokens FROM token t LEFT JOIN token_state s USING (token_id)
   WHERE t.team = ANY($1) AND t.expires_at > now() AND coalesce(s.state, 'active') = 'active' AND EXISTS (SELECT 1 FROM usage_source u WHERE u.token_id = t.token_id AND u.kind = 'gateway') GROUP BY t.team`,
  (row) => row.team,
);

/** How many living tokens a team uses: those that lie about say nothing of a deploy. */
export async function tokensUsedBy(db: Db, team: string): Promise<number> {
  return (await db.one(used, team))?.tokens ?? 0;
}

/** States of a batch's tokens, one statement for all: a key is a row as JSON. */
const states = lookup<{ token_id: string }>(
  `INSERT INTO token_state AS s (token_id, state, version)
   SELECT r.* FROM unnest($1::text[]) k, json_to_record(k::json) AS r(token_id text, state text, version int) ORDER BY r.token_id
   ON CONFLICT (token_id) DO UPDATE SET state = excluded.state, version = excluded.version WHERE s.version < excluded.version`,
  (row) => row.token_id,
);
const retirements = lookup<{ token_id: string }>(
  `INSERT INTO token_state AS s (token_id, retired_generation, retired_at, retired_code)
   SELECT r.* FROM unnest($1::text[]) k, json_to_record(k::json) AS r(token_id text, generation int, at timestamptz, code text) ORDER BY r.token_id
   ON CONFLICT (token_id) DO UPDATE SET retired_generation = excluded.retired_generation, retired_at = excluded.retired_at, retired_code = excluded.retired_code
   WHERE s.retired_generation < excluded.retired_generation`,
  (row) => row.token_id,
);

/** Takes over a token's state, unless a later one is known already. Of a token once in a turn. */
export async function setState(db: Db, tokenId: string, state: string, version: number): Promise<void> {
  await db.one(states, JSON.stringify({ token_id: tokenId, state, version }));
}

/** Takes over which secret ended last. Of a token once in a turn. */
export async function setRetired(db: Db, tokenId: string, generation: number, at: Date, code: string): Promise<void> {
  await db.one(retirements, JSON.stringify({ token_id: tokenId, generation, at, code }));
}
