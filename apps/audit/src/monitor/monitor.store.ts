import type { Db } from '@writ/messaging';
import { placeOf, readBox } from '../entries/disclosure.js';
import { parseLeaf } from '../entries/leaf.js';
import { takeGone, type GoneOpenings } from './finding.js';
import type { StoredEntry, UseBatch } from './inspect.js';

interface EntryRow {
  seq: string;
  event_id: string;
  type: string;
  token_id: string | null;
  request_id: string | null;
  k: number | null;
  recorded_at: Date;
  leaf: Buffer;
  previous: string | null;
}

/** The entries of [first, end) that are there, each with the entry of its token before it. */
export async function storedEntries(db: Db, logId: number, first: number, end: number): Promise<Map<number, StoredEntry>> {
  const rows = await db.query<EntryRow>(
    `SELECT e.seq, e.event_id, e.type, e.token_id, e.request_id, e.k, e.recorded_at, e.leaf, p.previous
     FROM tlog_entry e LEFT JOIN LATERAL (
       SELECT b.seq AS previous FROM tlog_entry b WHERE b.log_id = e.log_id AND b.token_id = e.token_id AND b.seq < e.seq ORDER BY b.seq DESC LIMIT 1
     ) p ON e.token_id IS NOT NULL
     WHERE e.log_id = $1 AND e.seq >= $2 AND e.seq < $3`,
    [logId, first, end],
  );
  return new Map(rows.map((row) => [Number(row.seq), {
    index: Number(row.seq), event: row.event_id, type: row.type, token: row.token_id, request: row.request_id, k: row.k, recordedAt: row.recorded_at, leaf: row.leaf,
    previous: row.previous === null ? null : Number(row.previous),
  }]));
}

/** The leaves of [first, end), for following numbers only: cheap, because it runs as fast as entries come. */
export async function leavesToFollow(db: Db, logId: number, first: number, end: number): Promise<{ token: string | null; leaf: Buffer }[]> {
  return db.query('SELECT token_id AS token, leaf FROM tlog_entry WHERE log_id = $1 AND seq >= $2 AND seq < $3', [logId, first, end]);
}

/** The disclosures that still open, by entry. */
export async function openings(db: Db, logId: number, first: number, end: number): Promise<Map<number, string[]>> {
  const rows = await db.query<{ seq: string; box: Buffer; key: Buffer }>(
    'SELECT d.seq, d.box, s.key FROM disclosure d JOIN subject s USING (subject_id) WHERE d.log_id = $1 AND d.seq >= $2 AND d.seq < $3', [logId, first, end],
  );
  const found = new Map<number, string[]>();
  for (const { seq, box, key } of rows) {
    const index = Number(seq);
    const texts = readBox<string[]>(key, box, placeOf('entry', index)) ?? [];
    found.set(index, [...(found.get(index) ?? []), ...texts]);
  }
  return found;
}

/** Takes in what the entries from `first` on say is gone for a reason. @returns from where to go on the next time */
export async function goneSince(db: Db, logId: number, first: number, gone: GoneOpenings): Promise<number> {
  const rows = await db.query<{ seq: string; leaf: Buffer }>(
    `SELECT seq, leaf FROM tlog_entry WHERE log_id = $1 AND type IN ('pii.erased', 'log.recovered') AND seq >= $2 ORDER BY seq`, [logId, first],
  );
  for (const { leaf } of rows) takeGone(gone, parseLeaf(leaf));
  return rows.length === 0 ? first : Number(rows.at(-1)!.seq) + 1;
}

/** The first batch of uses from an entry on. */
export async function nextUseBatch(db: Db, logId: number, first: number, end: number): Promise<UseBatch | undefined> {
  const [row] = await db.query<{ seq: string; recorded_at: Date; leaf: Buffer; hashes: Buffer | null }>(
    `SELECT e.seq, e.recorded_at, e.leaf, b.hashes FROM tlog_entry e LEFT JOIN use_batch b USING (log_id, seq)
     WHERE e.log_id = $1 AND e.type = 'usage.recorded' AND e.seq >= $2 AND e.seq < $3 ORDER BY e.seq LIMIT 1`, [logId, first, end],
  );
  if (!row) return undefined;
  const boxes = await db.query<{ box: Buffer; key: Buffer }>(
    'SELECT u.box, s.key FROM use_record u JOIN subject s USING (subject_id) WHERE u.log_id = $1 AND u.seq = $2', [logId, row.seq],
  );
  const index = Number(row.seq);
  const records = boxes.flatMap(({ box, key }) => readBox<[number, string][]>(key, box, placeOf('uses', index)) ?? []);
  return { index, recordedAt: row.recorded_at, leaf: row.leaf, hashes: row.hashes ?? Buffer.alloc(0), records };
}

/** Those of the tokens whose issue is recorded. */
export async function issuedOf(db: Db, logId: number, tokens: readonly string[]): Promise<Set<string>> {
  const rows = await db.query<{ token_id: string }>(
    `SELECT DISTINCT token_id FROM tlog_entry WHERE log_id = $1 AND token_id = ANY($2) AND type = 'token.issued'`, [logId, tokens],
  );
  return new Set(rows.map(({ token_id }) => token_id));
}

/** Those of the tokens whose newest entry is another than is listed. */
export async function wrongHeads(db: Db, logId: number, tokens: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ token: string }>(
    `SELECT t.token FROM unnest($2::text[]) t(token)
     CROSS JOIN LATERAL (SELECT max(seq) AS seq, max(k) AS k FROM tlog_entry WHERE log_id = $1 AND token_id = t.token) e
     LEFT JOIN token_head h ON h.log_id = $1 AND h.token_id = t.token
     WHERE (e.seq, coalesce(e.k, 0)) IS DISTINCT FROM (h.seq, h.k)`, [logId, tokens],
  );
  return rows.map(({ token }) => token);
}

/** Tokens of these whose ordinals have a gap or come twice, unless their newest entry is younger than `settledBefore`. */
export async function brokenOrdinals(db: Db, logId: number, tokens: readonly string[], settledBefore: Date): Promise<{ token: string; last: number; detail: string }[]> {
  const rows = await db.query<{ token_id: string; last: string; lowest: number; highest: number; n: string; different: string }>(
    `SELECT token_id, max(seq) AS last, min(k) AS lowest, max(k) AS highest, count(*) AS n, count(DISTINCT k) AS different
     FROM tlog_entry WHERE log_id = $1 AND token_id = ANY($2) AND k IS NOT NULL GROUP BY token_id
     HAVING max(recorded_at) < $3 AND (min(k) <> 1 OR max(k) <> count(*) OR count(*) <> count(DISTINCT k))`,
    [logId, tokens, settledBefore],
  );
  return rows.map(({ token_id, last, lowest, highest, n, different }) => ({
    token: token_id, last: Number(last), detail: `${token_id} has ${n} changes numbered ${lowest} to ${highest}, ${different} of them different.`,
  }));
}

/** Stored tiles of these places that do not begin with the published bytes. */
export async function storedTile(db: Db, logId: number, level: number, index: number): Promise<Buffer | undefined> {
  const [row] = await db.query<{ data: Buffer }>('SELECT data FROM tlog_tile WHERE log_id = $1 AND level = $2 AND n = $3', [logId, level, index]);
  return row?.data;
}

/** Notes that a finding is being told. @returns false where one of the replicas told it before */
export async function isFirst(db: Db, finding: string): Promise<boolean> {
  return (await db.query('INSERT INTO told_finding (finding) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1', [finding])).length > 0;
}

/** Forgets that a finding was told, because it ended: when it comes back it is told again. */
export async function forget(db: Db, finding: string): Promise<void> {
  await db.query('DELETE FROM told_finding WHERE finding = $1', [finding]);
}
