import type { Db } from '@writ/messaging';
import { parseLeaf } from '../entries/leaf.js';
import type { TokenHead } from './heads.js';

const headsSql = `SELECT token_id, max(seq) AS seq, max(k) AS k FROM tlog_entry WHERE log_id = $1 AND token_id IS NOT NULL AND seq < $2
  GROUP BY token_id ORDER BY token_id COLLATE "C"`;
const headsAtOnce = 5_000;

/** The heads of all tokens in the first `size` entries, sorted by their ids' bytes. */
export async function tokenHeads(db: Db, logId: number, size: number): Promise<TokenHead[]> {
  return (await db.query<HeadRow>(headsSql, [logId, size])).map(headOf);
}

/** The same in pages, within a transaction: of a million tokens a few thousand are in memory. */
export async function* pagesOfHeads(db: Db, logId: number, size: number): AsyncGenerator<TokenHead[]> {
  await db.query(`DECLARE heads NO SCROLL CURSOR FOR ${headsSql}`, [logId, size]);
  for (let count = headsAtOnce; count === headsAtOnce;) {
    const rows = await db.query<HeadRow>(`FETCH ${headsAtOnce} FROM heads`);
    count = rows.length;
    if (count > 0) yield rows.map(headOf);
  }
  await db.query('CLOSE heads');
}

interface HeadRow {
  token_id: string;
  seq: string;
  k: number | null;
}

function headOf({ token_id, seq, k }: HeadRow): TokenHead {
  return { token: token_id, index: Number(seq), k: k ?? 0 };
}

export interface SealedHeads {
  seq: number;
  recordedAt: Date;
  leaf: Buffer;
  /** The heads are those of the first `size` entries, of so many tokens. */
  size: number;
  tokens: number;
}

/** The last `log.heads` leaf. */
export async function lastHeads(db: Db, logId: number): Promise<SealedHeads | undefined> {
  const [row] = await db.query<{ seq: string; recorded_at: Date; leaf: Buffer }>(
    `SELECT seq, recorded_at, leaf FROM tlog_entry WHERE log_id = $1 AND type = 'log.heads' ORDER BY seq DESC LIMIT 1`, [logId],
  );
  if (!row) return undefined;
  const { data } = parseLeaf(row.leaf);
  return { seq: Number(row.seq), recordedAt: row.recorded_at, leaf: row.leaf, size: Number(data?.size), tokens: Number(data?.tokens) };
}
