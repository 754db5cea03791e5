import { Injectable } from '@nestjs/common';
import type { UsageRecord } from '@writ/contracts';
import { toJson, type Db, type Tx } from '@writ/messaging';
import type { TokenRow } from '../tokens/token.row.js';
import type { KnownCaller } from '../rotation/tripwire.js';
import { usesKnownUntil } from '../fleet/watermark.store.js';

/** A token that was seen from so many networks is used from anywhere: no more of them are kept. */
const mostPerToken = 64;
const mostRemembered = 200_000;

/** From where tokens are used, and who shows secrets that are retired: what the tripwire judges by. */
@Injectable()
export class Callers {
  /** What this replica wrote: writing it again would say nothing new. */
  private readonly written = new Set<string>();

  async record(tx: Tx<'issuer'>, records: readonly UsageRecord[]): Promise<void> {
    await this.know(tx, records.filter(({ code, tokenId, network }) => code === 'VALID' && tokenId !== undefined && network));
    await noteRetired(tx.db, records.filter(({ code, tokenId, generation }) => code === 'REVOKED' && tokenId !== undefined && generation !== undefined));
  }

  private async know(tx: Tx<'issuer'>, uses: readonly UsageRecord[]): Promise<void> {
    const fresh = new Map<string, object>();
    for (const { tokenId, network } of uses) {
      const key = `${tokenId} ${network}`;
      if (!this.written.has(key)) fresh.set(key, { token_id: tokenId, network });
    }
    if (fresh.size === 0) return;
    await tx.db.query(
      `INSERT INTO caller (token_id, network) SELECT token_id, network FROM json_to_recordset($1::json) AS r(token_id text, network text)
       WHERE (SELECT count(*) FROM caller c WHERE c.token_id = r.token_id) < ${mostPerToken} ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
      [toJson([...fresh.values()])],
    );
    tx.onCommit(() => {
      if (this.written.size > mostRemembered) this.written.clear();
      for (const key of fresh.keys()) this.written.add(key);
    });
  }
}

/** Only of tokens that go on: of one that ended every secret is dead. Once per secret and network. */
async function noteRetired(db: Db, uses: readonly UsageRecord[]): Promise<void> {
  if (uses.length === 0) return;
  await db.query(
    `INSERT INTO retired_use (token_id, generation, network, gateway, used_at)
     SELECT DISTINCT ON (r.token_id, r.generation, r.network) r.token_id, r.generation, r.network, r.gateway, r.at
     FROM json_to_recordset($1::json) AS r(token_id text, generation int, network text, gateway text, at timestamptz)
     JOIN generation g ON g.token_id = r.token_id AND g.generation = r.generation AND g.state = 'retired'
     JOIN token t ON t.token_id = r.token_id AND t.state = 'active' ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
    [toJson(uses.map(({ tokenId, generation, network, gateway, lastAt }) => ({ token_id: tokenId, generation, network: network ?? '', gateway, at: lastAt })))],
  );
}

export interface PendingUse {
  token_id: string;
  generation: number;
  network: string;
  gateway: string;
  used_at: Date;
  retired_code: string;
  retired_at: Date;
  now: Date;
}

/**
 * Takes noted uses whose time has come: when every verifier has said its uses up to then, so that an honest one which is
 * told late is known by now. One that is silent holds them up for a minute.
 */
export function takeRetiredUses(db: Db, limit: number): Promise<PendingUse[]> {
  return db.query<PendingUse>(
    `WITH due AS (
       SELECT * FROM retired_use WHERE noted_at < now() - interval '1 minute'
         OR used_at < ${usesKnownUntil}
       ORDER BY token_id LIMIT $1 FOR UPDATE SKIP LOCKED),
     taken AS (DELETE FROM retired_use r USING due WHERE (r.token_id, r.generation, r.network) = (due.token_id, due.generation, due.network))
     SELECT due.*, now(), l.reason_code AS retired_code, l.at AS retired_at FROM due, LATERAL (
       SELECT reason_code, at FROM state_log l WHERE l.token_id = due.token_id AND l.generation = due.generation AND l.kind = 'retire' ORDER BY seq DESC LIMIT 1) l`,
    [limit],
  );
}

export async function callersOf(db: Db, tokenId: string): Promise<KnownCaller[]> {
  const rows = await db.query<{ network: string; first_seen_at: Date }>('SELECT network, first_seen_at FROM caller WHERE token_id = $1', [tokenId]);
  return rows.map(({ network, first_seen_at }) => ({ network, firstSeenAt: first_seen_at }));
}

/** @returns whose it is, where that was not said within a day */
export async function noteStraggler(db: Db, tokenId: string, generation: number, network: string): Promise<Pick<TokenRow, 'request_id' | 'owner_id' | 'owner_team'> | undefined> {
  return (await db.query<Pick<TokenRow, 'request_id' | 'owner_id' | 'owner_team'>>(
    `WITH said AS (
       INSERT INTO straggler AS s (token_id, generation, network) VALUES ($1, $2, $3)
       ON CONFLICT (token_id, generation, network) DO UPDATE SET said_at = now() WHERE s.said_at < now() - interval '1 day' RETURNING token_id)
     SELECT request_id, owner_id, owner_team FROM token JOIN said USING (token_id)`, [tokenId, generation, network],
  ))[0];
}

/** What ended needs no memory of who used it. */
export async function forgetCallers(db: Db, limit: number): Promise<void> {
  await db.query(
    `DELETE FROM caller WHERE (token_id, network) IN (
       SELECT c.token_id, c.network FROM caller c JOIN token t USING (token_id) WHERE t.state IN ('revoked', 'expired') LIMIT $1)`, [limit],
  );
  await db.query(`DELETE FROM straggler WHERE said_at < now() - interval '1 day'`);
}
