import type { Db } from '@writ/messaging';
import { placeOf, unseal } from '../entries/disclosure.js';
import { parseLeaf } from '../entries/leaf.js';
import { indicesIn } from '../subjects/erase.js';
import { Gone } from './finding.js';
import type { StoredEntry } from './inspect.js';

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
    const plain = unseal(key, box, placeOf('entry', index));
    const texts = plain === undefined ? [] : (JSON.parse(plain) as string[]);
    found.set(index, [...(found.get(index) ?? []), ...texts]);
  }
  return found;
}

/** The places whose openings are gone for a reason that the log itself tells. */
export async function goneOpenings(db: Db, logId: number): Promise<Gone> {
  const rows = await db.query<{ leaf: Buffer }>(`SELECT leaf FROM tlog_entry WHERE log_id = $1 AND type IN ('pii.erased', 'log.recovered')`, [logId]);
  return new Gone(rows.flatMap(({ leaf }) => {
    const { type, data } = parseLeaf(leaf);
    return type === 'pii.erased' && typeof data?.entries === 'string' ? indicesIn(data.entries) : [[Number(data?.from), Number(data?.to) - 1] as const];
  }));
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

/** When each service was last heard to be alive. */
export async function lastSignsOfLife(db: Db, logId: number): Promise<{ service: string; at: Date }[]> {
  return db.query(
    `SELECT convert_from(leaf, 'utf8')::json->'data'->>'service' AS service, max(recorded_at) AS at
     FROM (SELECT leaf, recorded_at FROM tlog_entry WHERE log_id = $1 AND type = 'service.alive' ORDER BY seq DESC LIMIT 200) recent GROUP BY 1`, [logId],
  );
}

/** Notes that a finding is being told. @returns false where one of the replicas told it before */
export async function isFirst(db: Db, finding: string): Promise<boolean> {
  return (await db.query('INSERT INTO told_finding (finding) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1', [finding])).length > 0;
}
