import type { Digest, Quorum, RequestId, RequestSubmitted } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import type { Decision } from '@writ/policy';
import type { ActiveSet } from '../sets/active-set.store.js';
import type { Answer, DigestedRequest } from './answer.js';

export type RequestState = 'waiting' | 'held' | 'approved' | 'denied' | 'cancelled' | 'lapsed';

interface RequestRow {
  request_id: RequestId;
  state: RequestState;
}

const byId = lookup<RequestRow>('SELECT request_id, state FROM request WHERE request_id = ANY($1)', (row) => row.request_id);

/** What became of a request so far; gathered with the other reads of this turn. */
export async function stateOf(db: Db, requestId: RequestId): Promise<RequestState | undefined> {
  return (await db.one(byId, requestId))?.state;
}

/**
 * Keeps a request that cannot be decided yet. The row's key is what a cancellation and a second copy of the request
 * collide with; whoever comes second is tried again and sees the first.
 */
export function keepWaiting(db: Db, request: RequestSubmitted): void {
  db.insert('request', { request_id: request.requestId, request_digest: request.requestDigest, state: 'waiting', submission: request });
}

/** Keeps an answer to a request that is new here. */
export function keepAnswer(db: Db, request: DigestedRequest, answer: Answer, decision: Decision, set: ActiveSet, now: Date): void {
  db.insert('request', { request_id: request.requestId, request_digest: request.requestDigest, ...columnsOf(request, answer, now) });
  keepDecision(db, request, 1, answer.data.statement, decision, set);
}

/** Keeps an answer to a request that waited for a policy set. */
export function answerWaiting(db: Db, request: DigestedRequest, answer: Answer, decision: Decision, set: ActiveSet, now: Date): void {
  db.update('request', { request_id: request.requestId, state: 'waiting' }, columnsOf(request, answer, now));
  keepDecision(db, request, 1, answer.data.statement, decision, set);
}

/** Keeps a decision for ever, as it was made; a review may add a second one. */
export function keepDecision(db: Db, request: DigestedRequest, ordinal: number, statement: string, decision: Decision, set: ActiveSet): void {
  db.insert('decision', {
    request_id: request.requestId, ordinal, request_digest: request.requestDigest, activation: set.activation, policy_digest: decision.policyDigest,
    outcome: decision.outcome, record: JSON.stringify(decision), statement,
  });
}

/** Only what people must look at keeps its text. */
function columnsOf(request: DigestedRequest, answer: Answer, now: Date) {
  const held = answer.type === 'request.held' ? answer.data : undefined;
  return {
    state: answer.state,
    submission: held ? request : null,
    require: held?.require ?? null,
    lapses_at: held?.lapsesAt ?? null,
    alike_key: answer.type === 'request.held' ? answer.alikeKey : null,
    closed_at: held ? null : now.toISOString(),
  };
}

/** Remembers a withdrawal that came before its request. */
export function keepCancelled(db: Db, requestId: RequestId): void {
  db.insert('request', { request_id: requestId, state: 'cancelled' });
}

/** Ends a request that is still open; fails, and is tried again, where somebody else ended it meanwhile. */
export function cancelOpen(db: Db, requestId: RequestId, state: 'waiting' | 'held', now: Date): void {
  db.update('request', { request_id: requestId, state }, { state: 'cancelled', closed_at: now.toISOString() });
}

/** Takes requests that wait for a policy set, oldest first; other replicas pass over them meanwhile. */
export async function takeWaiting(db: Db, limit: number): Promise<DigestedRequest[]> {
  const rows = await db.query<{ submission: DigestedRequest }>(
    `SELECT submission FROM request WHERE state = 'waiting' ORDER BY opened_at LIMIT $1 FOR UPDATE SKIP LOCKED`, [limit],
  );
  return rows.map(({ submission }) => submission);
}

export interface Lapsed {
  request_id: RequestId;
  request_digest: Digest;
  lapsed_at: Date;
  submission: DigestedRequest;
  require: Quorum[];
  lapses_at: Date;
}

/** Ends held requests whose time has passed by the database's clock. */
export async function lapseDue(db: Db, limit: number): Promise<Lapsed[]> {
  return db.query(
    `UPDATE request SET state = 'lapsed', closed_at = now() WHERE request_id IN (
       SELECT request_id FROM request WHERE state = 'held' AND lapses_at <= now() ORDER BY lapses_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING request_id, request_digest, closed_at AS lapsed_at, submission, require, lapses_at`, [limit],
  );
}

export interface DecisionRow {
  request_id: RequestId;
  request_digest: Digest;
  decided_at: Date;
  activation: number;
  statement: string;
  record: string;
}

/** Every decision on a request, the first one first. */
export async function decisionsOn(db: Db, requestId: string): Promise<DecisionRow[]> {
  return db.query('SELECT request_id, request_digest, decided_at, activation, statement, record FROM decision WHERE request_id = $1 ORDER BY ordinal', [requestId]);
}
