import { edgeFrom, edgeTiles, parseCheckpoint, parseNote, rootOfEdge, sameHash, type Edge, type Growth } from '@writ/tlog';
import { toJson, Unavailable, type Db } from '@writ/messaging';
import { packed } from '../entries/packed.js';

export interface TreeHead {
  size: number;
  root: Uint8Array;
}

/** What batches have committed; not yet signed. */
export interface LogHead extends TreeHead {
  logId: number;
  /** When the last entry was recorded; no valid time while there is none. */
  recordedAt: Date;
}

/** A signed head, as it is published. */
export interface PublishedHead extends TreeHead {
  note: string;
}

export interface CheckpointRow extends PublishedHead {
  publishedAt: Date;
}

/** The stored tree contradicts itself, so nothing is appended, published or signed until an operator acts. */
export class LogTampered extends Unavailable {
  override readonly name = 'LogTampered';
}

export function setBack(size: number, signed: number): LogTampered {
  return new LogTampered(`The log has ${size} entries, but ${signed} were signed: it was set back, and must be recovered from its published files.`);
}

export async function committedHead(db: Db, origin: string): Promise<LogHead> {
  return readHead(db, origin, '');
}

/** The same, locked until the transaction ends: nobody appends meanwhile. */
export async function lockedHead(db: Db, origin: string): Promise<LogHead> {
  return readHead(db, origin, 'FOR UPDATE');
}

async function readHead(db: Db, origin: string, lock: '' | 'FOR UPDATE'): Promise<LogHead> {
  const [row] = await db.query<{ log_id: number; size: string; root: Buffer; recorded_at: Date | number }>(
    `SELECT log_id, size, root, recorded_at FROM tlog WHERE origin = $1 ${lock}`, [origin],
  );
  if (!row) throw new LogTampered(`The log ${origin} has no row.`);
  return { logId: row.log_id, size: Number(row.size), root: row.root, recordedAt: new Date(row.recorded_at) };
}

/** Reads the right edge again for every batch and computes the root from it: what was edited there since shows here. */
export async function checkedEdge(db: Db, { logId, size, root }: LogHead): Promise<Edge> {
  const wanted = edgeTiles(size);
  const rows = await db.query<{ level: number; n: string; w: number; data: Buffer }>(
    `SELECT level, n, w, data FROM tlog_tile WHERE log_id = $1 AND (level, n) IN (SELECT * FROM unnest($2::smallint[], $3::bigint[]))`,
    [logId, wanted.map(({ level }) => level), wanted.map(({ index }) => index)],
  );
  let edge: Edge;
  try {
    edge = edgeFrom(size, rows.map(({ level, n, w, data }) => ({ level, index: Number(n), width: w, hashes: data })));
  } catch (cause) {
    throw new LogTampered(`The edge of the tree of ${size} entries cannot be read.`, { cause });
  }
  if (!sameHash(rootOfEdge(edge), root)) throw new LogTampered(`The tiles of the tree of ${size} entries do not have its root.`);
  return edge;
}

/** A tile may only be extended by bytes, whoever writes it: rewriting or shrinking one changes no row, and fails here. */
export async function writeTiles(db: Db, { logId }: LogHead, { tiles }: Growth): Promise<void> {
  const { bytes, places } = packed(tiles.map(({ hashes }) => hashes));
  const written = await db.query(
    `INSERT INTO tlog_tile (log_id, level, n, w, data)
     SELECT $1, level, n, w, substr($2::bytea, at, length)
     FROM json_to_recordset($3::json) AS r(level smallint, n bigint, w smallint, at int, length int)
     ON CONFLICT (log_id, level, n) DO UPDATE SET w = excluded.w, data = excluded.data
     WHERE excluded.w > tlog_tile.w AND substr(excluded.data, 1, length(tlog_tile.data)) = tlog_tile.data
     RETURNING 1`,
    [logId, bytes, toJson(tiles.map(({ level, index, width }, i) => ({ level, n: index, w: width, ...places[i] })))],
  );
  if (written.length !== tiles.length) throw new LogTampered('A stored tile is no beginning of the tile that extends it.');
}

export async function moveHead(db: Db, head: LogHead, { edge, root }: Growth, recordedAt: Date): Promise<void> {
  const moved = await db.query(
    'UPDATE tlog SET size = $3, root = $4, recorded_at = $5 WHERE log_id = $1 AND size = $2 RETURNING 1',
    [head.logId, head.size, edge.size, root, recordedAt],
  );
  if (moved.length !== 1) throw new LogTampered('The head of the log moved under its lock.');
}

export async function newestCheckpoint(db: Db, logId: number): Promise<CheckpointRow | undefined> {
  const [row] = await db.query<{ size: string; root: Buffer; note: string; published_at: Date }>(
    'SELECT size, root, note, published_at FROM checkpoint WHERE log_id = $1 ORDER BY size DESC LIMIT 1', [logId],
  );
  return row && { size: Number(row.size), root: row.root, note: row.note, publishedAt: row.published_at };
}

/** Reads a note that was verified, or is our own. */
export function headOfNote(note: string): PublishedHead {
  const { size, root } = parseCheckpoint(parseNote(note).text);
  return { size, root, note };
}

/** The last note that a quorum of witnesses cosigned. */
export async function cosignedNote(db: Db, logId: number): Promise<string | undefined> {
  const [row] = await db.query<{ note: string }>('SELECT note FROM cosigned WHERE log_id = $1', [logId]);
  return row?.note;
}

/** Keeps a cosigned note, unless a newer one is kept. */
export async function keepCosigned(db: Db, logId: number, size: number, note: string): Promise<void> {
  await db.query(
    `INSERT INTO cosigned (log_id, size, note) VALUES ($1, $2, $3)
     ON CONFLICT (log_id) DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size > cosigned.size`, [logId, size, note],
  );
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
