import type { Digest, Narrowing, Quorum, RequestId } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Decision } from '@writ/policy';
import type { DigestedRequest } from '../decisions/answer.js';
import type { Subject } from './notice.store.js';
import type { RequestState } from '../decisions/request.store.js';
import type { CastVote } from './settle.js';

/** A request that was held, with all that a reviewer or the record needs. */
export interface Review {
  requestId: RequestId;
  requestDigest: Digest;
  state: RequestState;
  request: DigestedRequest;
  require: Quorum[];
  openedAt: Date;
  lapsesAt: Date;
  closedAt: Date | null;
  alikeKey: string | null;
  /** By the database's clock. */
  overdue: boolean;
  /** Why it was held. */
  decision: Decision;
}

export interface StoredVote extends CastVote {
  requestId: RequestId;
  reason: string;
  statement: string;
  castAt: Date;
}

const columns = `r.request_id AS "requestId", r.request_digest AS "requestDigest", r.state, r.submission AS request, r.require,
  r.opened_at AS "openedAt", r.lapses_at AS "lapsesAt", r.closed_at AS "closedAt", r.alike_key AS "alikeKey", r.lapses_at <= now() AS overdue, d.record AS decision`;
const tables = 'request r JOIN decision d ON d.request_id = r.request_id AND d.ordinal = 1';

type ReviewRow = Omit<Review, 'decision'> & { decision: string };

function reviewOf(row: ReviewRow): Review {
  return { ...row, decision: JSON.parse(row.decision) as Decision };
}

export async function findReview(db: Db, requestId: string): Promise<Review | undefined> {
  const [row] = await db.query<ReviewRow>(`SELECT ${columns} FROM ${tables} WHERE r.request_id = $1 AND r.require IS NOT NULL`, [requestId]);
  return row && reviewOf(row);
}

/** Finds a review and keeps everybody else from changing it until this transaction ends. */
export async function lockReview(db: Db, requestId: string): Promise<Review | undefined> {
  const [row] = await db.query<ReviewRow>(`SELECT ${columns} FROM ${tables} WHERE r.request_id = $1 AND r.require IS NOT NULL FOR UPDATE OF r`, [requestId]);
  return row && reviewOf(row);
}

export function subjectOf({ request, require, decision, lapsesAt }: Review): Subject {
  return { request, require, because: decision.because, lapsesAt: lapsesAt.toISOString() };
}

/** Open reviews of which this share of their time has passed, each once. */
export async function nearingEnd(db: Db, mark: 'reminded_at' | 'escalated_at', share: number, limit: number): Promise<Review[]> {
  const rows = await db.query<ReviewRow>(
    `WITH due AS (
       UPDATE request SET ${mark} = now() WHERE request_id IN (
         SELECT request_id FROM request WHERE state = 'held' AND ${mark} IS NULL AND lapses_at > now()
           AND opened_at + (lapses_at - opened_at) * $1::float8 <= now()
         ORDER BY lapses_at LIMIT $2 FOR UPDATE SKIP LOCKED)
       RETURNING request_id)
     SELECT ${columns} FROM ${tables} WHERE r.request_id IN (SELECT request_id FROM due)`, [share, limit],
  );
  return rows.map(reviewOf);
}

/** Open reviews that share a key with one of these, oldest first. */
export async function alikeTo(db: Db, keys: readonly string[]): Promise<Review[]> {
  const rows = await db.query<ReviewRow>(
    `SELECT ${columns} FROM ${tables} WHERE r.state = 'held' AND r.alike_key = ANY($1) ORDER BY r.request_id LIMIT 1000`, [keys],
  );
  return rows.map(reviewOf);
}

export interface Page {
  states: readonly RequestState[];
  /** Of reviews that are alike only the newest. */
  collapse?: boolean;
  limit: number;
  /** Only reviews older than this. */
  before: string | undefined;
}

/** The newest first. */
export async function listReviews(db: Db, { states, limit, before, collapse = false }: Page): Promise<Review[]> {
  const rows = await db.query<ReviewRow>(
    `SELECT ${columns} FROM ${tables}
     WHERE r.require IS NOT NULL AND r.state = ANY($1) AND ($3::text IS NULL OR r.request_id < $3)
       AND NOT ($4 AND EXISTS (SELECT 1 FROM request n WHERE n.state = 'held' AND n.alike_key = r.alike_key AND n.request_id > r.request_id))
     ORDER BY r.request_id DESC LIMIT $2`,
    [states, limit, before ?? null, collapse],
  );
  return rows.map(reviewOf);
}

export async function votesOn(db: Db, requestIds: readonly string[]): Promise<StoredVote[]> {
  const rows = await db.query<{ request_id: RequestId; iss: string; sub: string; groups: string[]; vote: 'approve' | 'deny'; reason: string; narrow: Narrowing | null; statement: string; cast_at: Date }>(
    'SELECT request_id, iss, sub, groups, vote, reason, narrow, statement, cast_at FROM vote WHERE request_id = ANY($1) ORDER BY cast_at', [requestIds],
  );
  return rows.map((row) => ({
    requestId: row.request_id, reviewer: { iss: row.iss, sub: row.sub }, groups: row.groups, vote: row.vote, reason: row.reason,
    narrow: row.narrow ?? undefined, statement: row.statement, castAt: row.cast_at,
  }));
}

/** Adds a vote, once per person. @returns whether it is their first */
export async function addVote(db: Db, { requestId, reviewer, groups, vote, reason, narrow, statement }: Omit<StoredVote, 'castAt'>): Promise<boolean> {
  const rows = await db.query(
    `INSERT INTO vote (request_id, iss, sub, groups, vote, reason, narrow, statement) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT DO NOTHING RETURNING 1`,
    [requestId, reviewer.iss, reviewer.sub, JSON.stringify(groups), vote, reason, narrow ? JSON.stringify(narrow) : null, statement],
  );
  return rows.length > 0;
}

export function closeReview(db: Db, requestId: RequestId, state: 'approved' | 'denied', now: Date): void {
  db.update('request', { request_id: requestId, state: 'held' }, { state, closed_at: now.toISOString() });
}

/** The set of now asks for more people than the one that held the request. */
export function requireMore(db: Db, requestId: RequestId, require: Quorum[]): void {
  db.update('request', { request_id: requestId, state: 'held' }, { require });
}

