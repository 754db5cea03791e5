import { LogTampered } from '../entries/append.store.js';
import type { Db } from '@writ/messaging';
import type { PublishedHead } from './site.store.js';
import type { TreeHead } from './signer.client.js';

export interface CommittedHead extends TreeHead {
  logId: number;
}

export interface CheckpointRow extends PublishedHead {
  publishedAt: Date;
  cosignatures: number;
}

/** The head that batches have committed; not yet signed. */
export async function committedHead(db: Db, origin: string): Promise<CommittedHead> {
  const [row] = await db.query<{ log_id: number; size: string; root: Buffer }>('SELECT log_id, size, root FROM tlog WHERE origin = $1', [origin]);
  if (!row) throw new LogTampered(`The log ${origin} has no row.`);
  return { logId: row.log_id, size: Number(row.size), root: row.root };
}

export async function newestCheckpoint(db: Db, logId: number): Promise<CheckpointRow | undefined> {
  const [row] = await db.query<{ size: string; root: Buffer; note: string; published_at: Date; cosignatures: number }>(
    'SELECT size, root, note, published_at, cosignatures FROM checkpoint WHERE log_id = $1 ORDER BY size DESC LIMIT 1', [logId],
  );
  return row && { size: Number(row.size), root: row.root, note: row.note, publishedAt: row.published_at, cosignatures: row.cosignatures };
}

/** The leaves of [start, end), or an error: a gap in the middle of the log is nobody's mistake. */
export async function leavesOf(db: Db, logId: number, start: number, end: number): Promise<Buffer[]> {
  const rows = await db.query<{ leaf: Buffer }>(
    'SELECT leaf FROM tlog_entry WHERE log_id = $1 AND seq >= $2 AND seq < $3 ORDER BY seq', [logId, start, end],
  );
  if (rows.length !== end - start) throw new LogTampered(`Of the entries ${start} to ${end - 1} only ${rows.length} are there.`);
  return rows.map(({ leaf }) => leaf);
}

/** True when something was recorded since that is worth a checkpoint: more than the news of the last one. */
export async function hasNews(db: Db, logId: number, since: number): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM tlog_entry WHERE log_id = $1 AND seq >= $2 AND type <> 'checkpoint.published' LIMIT 1`, [logId, since],
  );
  return rows.length > 0;
}
