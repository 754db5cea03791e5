import type { Db } from '@writ/messaging';
import type { TokenHead } from './heads.js';

/** The heads of all tokens in the first `size` entries, sorted by their ids' bytes. */
export async function tokenHeads(db: Db, logId: number, size: number): Promise<TokenHead[]> {
  const rows = await db.query<{ token_id: string; seq: string; k: number | null }>(
    `SELECT token_id, max(seq) AS seq, max(k) AS k FROM tlog_entry WHERE log_id = $1 AND token_id IS NOT NULL AND seq < $2
     GROUP BY token_id ORDER BY token_id COLLATE "C"`, [logId, size],
  );
  return rows.map(({ token_id, seq, k }) => ({ token: token_id, index: Number(seq), k: k ?? 0 }));
}

/** The last `log.heads` leaf: its place and when it was recorded. */
export async function lastHeads(db: Db, logId: number): Promise<{ seq: number; recordedAt: Date } | undefined> {
  const [row] = await db.query<{ seq: string; recorded_at: Date }>(
    `SELECT seq, recorded_at FROM tlog_entry WHERE log_id = $1 AND type = 'log.heads' ORDER BY seq DESC LIMIT 1`, [logId],
  );
  return row && { seq: Number(row.seq), recordedAt: row.recorded_at };
}
