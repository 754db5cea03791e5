import type { Db } from '@writ/messaging';
import { packed } from '../entries/packed.js';
import { parseLeaf } from '../entries/leaf.js';
import { headIn, type HeadsPage, type TokenHead } from './heads.js';

interface HeadRow {
  token_id: string;
  seq: string;
  k: number;
}

function headOf({ token_id, seq, k }: HeadRow): TokenHead {
  return { token: token_id, index: Number(seq), k };
}

/** The heads of these tokens. Under the lock of the log, where they are to be moved. */
export async function headsOf(db: Db, logId: number, tokens: readonly string[]): Promise<Map<string, TokenHead>> {
  if (tokens.length === 0) return new Map();
  const rows = await db.query<HeadRow>('SELECT token_id, seq, k FROM token_head WHERE log_id = $1 AND token_id = ANY($2)', [logId, [...new Set(tokens)]]);
  return new Map(rows.map((row) => [row.token_id, headOf(row)]));
}

export async function writeHeads(db: Db, logId: number, heads: ReadonlyMap<string, TokenHead>): Promise<void> {
  if (heads.size === 0) return;
  await db.query(
    `INSERT INTO token_head (log_id, token_id, seq, k) SELECT $1, token, index, k FROM json_to_recordset($2::json) AS r(token text, index bigint, k int)
     ON CONFLICT (log_id, token_id) DO UPDATE SET seq = excluded.seq, k = excluded.k`,
    [logId, JSON.stringify([...heads.values()])],
  );
}

const headsAtOnce = 4_096;

/**
 * The heads of all tokens, sorted by their ids' bytes, and the size of the log that they are of; in pages, within a
 * transaction: of a million tokens a few thousand are in memory. A cursor sees one moment, whatever is appended meanwhile.
 */
export async function* allHeads(db: Db, logId: number): AsyncGenerator<{ size: number; heads: TokenHead[] }> {
  await db.query(
    `DECLARE heads NO SCROLL CURSOR FOR SELECT h.token_id, h.seq, h.k, l.size FROM tlog l JOIN token_head h USING (log_id)
     WHERE l.log_id = $1 ORDER BY h.token_id`, [logId],
  );
  for (let count = headsAtOnce; count === headsAtOnce;) {
    const rows = await db.query<HeadRow & { size: string }>(`FETCH ${headsAtOnce} FROM heads`);
    count = rows.length;
    if (count > 0) yield { size: Number(rows[0]!.size), heads: rows.map(headOf) };
  }
  await db.query('CLOSE heads');
}

/** Keeps pages of heads that are being sealed. */
export async function writePages(db: Db, logId: number, size: number, pages: readonly HeadsPage[]): Promise<void> {
  if (pages.length === 0) return;
  const { bytes, places } = packed(pages.map(({ root }) => root));
  await db.query(
    `INSERT INTO sealed_heads (log_id, sealed_size, page, first_token, heads, root)
     SELECT $1, $2, page, first, heads, substr($3::bytea, at, length)
     FROM json_to_recordset($4::json) AS r(page int, first text, heads text, at int, length int)`,
    [logId, size, bytes, JSON.stringify(pages.map(({ page, lines }, i) => ({ page, first: lines[0]!.split(' ')[0], heads: lines.join('\n'), ...places[i] })))],
  );
}

/** Drops the pages of sealed heads but the newest and the one before it, whose leaf may be the last that is signed. */
export async function dropOldPages(db: Db, logId: number, before: number): Promise<void> {
  await db.query('DELETE FROM sealed_heads WHERE log_id = $1 AND sealed_size < $2', [logId, before]);
}

export interface SealedHeads {
  seq: number;
  recordedAt: Date;
  leaf: Buffer;
  /** The heads are those of the first `size` entries, of so many tokens. */
  size: number;
  tokens: number;
}

/** The last `log.heads` leaf in the first `end` entries. */
export async function lastHeads(db: Db, logId: number, end: number): Promise<SealedHeads | undefined> {
  const [row] = await db.query<{ seq: string; recorded_at: Date; leaf: Buffer }>(
    `SELECT seq, recorded_at, leaf FROM tlog_entry WHERE log_id = $1 AND type = 'log.heads' AND seq < $2 ORDER BY seq DESC LIMIT 1`, [logId, end],
  );
  if (!row) return undefined;
  const { data } = parseLeaf(row.leaf);
  return { seq: Number(row.seq), recordedAt: row.recorded_at, leaf: row.leaf, size: Number(data?.size), tokens: Number(data?.tokens) };
}

/** The page that a token's head was sealed in, and its place there; undefined where the token came later, or the pages are gone. */
export async function pageOf(db: Db, logId: number, size: number, token: string): Promise<{ head: TokenHead; place: number; page: number; lines: string[] } | undefined> {
  const [row] = await db.query<{ page: number; heads: string }>(
    'SELECT page, heads FROM sealed_heads WHERE log_id = $1 AND sealed_size = $2 AND first_token <= $3 ORDER BY first_token DESC LIMIT 1', [logId, size, token],
  );
  const lines = row?.heads.split('\n') ?? [];
  const head = headIn(lines, token);
  return row && head && { head, place: head.place, page: row.page, lines };
}

/** The roots of all pages, in order. */
export async function pageRoots(db: Db, logId: number, size: number): Promise<Buffer[]> {
  const rows = await db.query<{ root: Buffer }>('SELECT root FROM sealed_heads WHERE log_id = $1 AND sealed_size = $2 ORDER BY page', [logId, size]);
  return rows.map(({ root }) => root);
}
