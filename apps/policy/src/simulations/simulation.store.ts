import type { Digest, Principal, SimulationAnswer } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { SimulationReport } from '@writ/policy';
import type { PastDecision } from './past.js';

interface SimulationRow extends Omit<SimulationAnswer, 'startedAt' | 'report' | 'error'> {
  startedAt: Date;
  report: Record<string, unknown> | null;
  error: string | null;
}

export interface NewSimulation {
  simulationId: string;
  draft: Digest;
  active: Digest;
  days: number;
  by: Principal;
}

export async function addSimulation(db: Db, { simulationId, draft, active, days, by }: NewSimulation): Promise<void> {
  await db.query(
    'INSERT INTO simulation (simulation_id, draft_digest, active_digest, days, started_by) VALUES ($1, $2, $3, $4, $5)',
    [simulationId, draft, active, days, JSON.stringify(by)],
  );
}

export async function findSimulation(db: Db, simulationId: string): Promise<SimulationAnswer | undefined> {
  const [row] = await db.query<SimulationRow>(
    `SELECT simulation_id AS "simulationId", state, draft_digest AS "draftDigest", active_digest AS "activeDigest", days, done, total,
       started_at AS "startedAt", report, error FROM simulation WHERE simulation_id = $1`, [simulationId],
  );
  if (!row) return undefined;
  const { report, error, startedAt, ...rest } = row;
  return { ...rest, startedAt: startedAt.toISOString(), ...(report ? { report } : {}), ...(error ? { error } : {}) };
}

export async function runningSimulations(db: Db): Promise<number> {
  return (await db.query(`SELECT 1 FROM simulation WHERE state = 'running'`)).length;
}

export interface Claimed {
  simulation_id: string;
  draft_digest: Digest;
  active_digest: Digest;
  days: number;
}

/** Takes a simulation that nobody works on: a new one, or one whose replica gave no sign of life for half a minute. */
export async function claimSimulation(db: Db): Promise<Claimed | undefined> {
  const [row] = await db.query<Claimed>(
    `UPDATE simulation SET beat_at = now(), done = 0 WHERE simulation_id = (
       SELECT simulation_id FROM simulation WHERE state = 'running' AND beat_at < now() - interval '30 seconds'
       ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING simulation_id, draft_digest, active_digest, days`,
  );
  return row;
}

export async function begin(db: Db, simulationId: string, total: number): Promise<void> {
  await db.query('UPDATE simulation SET total = $2 WHERE simulation_id = $1', [simulationId, total]);
}

/** Says that it is still worked on, and how far it is. */
export async function beat(db: Db, simulationId: string, done: number): Promise<void> {
  await db.query(`UPDATE simulation SET beat_at = now(), done = $2 WHERE simulation_id = $1 AND state = 'running'`, [simulationId, done]);
}

/** Hands a simulation that was cut off to the next replica. */
export async function putBack(db: Db, simulationId: string): Promise<void> {
  await db.query(`UPDATE simulation SET beat_at = '-infinity' WHERE simulation_id = $1 AND state = 'running'`, [simulationId]);
}

export async function finish(db: Db, simulationId: string, outcome: { report: SimulationReport } | { error: string }): Promise<void> {
  const [state, report, error] = 'report' in outcome ? ['done', JSON.stringify(outcome.report), null] : ['failed', null, outcome.error.slice(0, 1024)];
  await db.query(
    `UPDATE simulation SET state = $2, report = $3, error = $4, done = CASE $2 WHEN 'done' THEN total ELSE done END, beat_at = now()
     WHERE simulation_id = $1`, [simulationId, state, report, error],
  );
}

const recent = `ordinal = 1 AND decided_at > now() - $1 * interval '1 day'`;

export async function countPast(db: Db, days: number): Promise<number> {
  const [row] = await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM decision WHERE ${recent}`, [days]);
  return row?.n ?? 0;
}

/** First decisions of the last days, in the order of their request ids, each with the statement that its request ended with. */
export async function pastDecisions(db: Db, days: number, after: string, limit: number): Promise<PastDecision[]> {
  return db.query(
    `SELECT request_id AS "requestId", record, decided_at AS "decidedAt",
       (SELECT statement FROM decision l WHERE l.request_id = d.request_id ORDER BY ordinal DESC LIMIT 1) AS statement
     FROM decision d WHERE ${recent} AND request_id > $2 ORDER BY request_id LIMIT $3`, [days, after, limit],
  );
}
