import type { Principal, RotationAnswer, RotationCause, RotationId, RotationState, RotationSteered, Straggler, TokenId } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { isOpen, stillThere, type Progress } from './advance.js';

export interface RotationRow {
  rotation_id: RotationId;
  token_id: TokenId;
  cause: RotationCause;
  requested_by: Principal | null;
  reason: string | null;
  started_at: Date;
  deadline_at: Date;
  claim_before: Date;
  generation: number | null;
  claimable_at: Date | null;
  delivered_at: Date | null;
  used_at: Date | null;
  retired_at: Date | null;
  lapsed_at: Date | null;
  stopped_at: Date | null;
  token_ended_at: Date | null;
  watch_at: Date | null;
  nudges: number;
  named: string | null;
  steered: Steered | null;
  state: RotationState;
  now: Date;
}

/** What a person told the rotation to do, and why. */
export type Steered = Pick<RotationSteered, 'command' | 'by' | 'reason'>;

interface StragglerRow {
  rotation_id: string;
  gateway: string;
  network: string;
  agent: string;
  last_seen_at: Date;
  count: string;
}

/** Whether a rotation that is under way makes room for one of this cause: for an emergency, unless it is one itself whose new secret nobody has. */
export function makesRoom({ cause: own, delivered_at, used_at }: RotationRow, cause: RotationCause): boolean {
  return cause === 'emergency' && (own !== 'emergency' || delivered_at !== null || used_at !== null);
}

const open = `state IN ('due', 'claimable', 'delivered', 'used')`;
export const rotationById = lookup<RotationRow>('SELECT *, now() AS now FROM rotation WHERE rotation_id = ANY($1)', (row) => row.rotation_id);
export const openRotation = lookup<RotationRow>(`SELECT *, now() AS now FROM rotation WHERE token_id = ANY($1) AND ${open}`, (row) => row.token_id);
export const rotationByRequest = lookup<RotationRow & { request_key: string }>('SELECT *, now() AS now FROM rotation WHERE request_key = ANY($1)', (row) => row.request_key);
/** The most recently seen of a rotation's stragglers: as many as an event may name. */
const maxNamed = 64;
const stragglerRows = lookup<StragglerRow>(
  `SELECT s.* FROM unnest($1::text[]) AS k(id), LATERAL (
     SELECT * FROM straggler WHERE rotation_id = k.id ORDER BY last_seen_at DESC LIMIT ${maxNamed}) s`,
  (row) => row.rotation_id,
);

export async function stragglersOf(db: Db, row: RotationRow): Promise<Straggler[]> {
  const rows = await db.many(stragglerRows, row.rotation_id);
  const seen = rows.map(({ gateway, network, agent, last_seen_at, count }) => ({
    gateway, network: network || undefined, agent: agent || undefined, lastSeenAt: last_seen_at.toISOString(), count: Number(count),
  }));
  return stillThere(seen, progressOf(row), row.now);
}

export function progressOf(row: RotationRow): Progress {
  return {
    state: row.state, startedAt: row.started_at, deadlineAt: row.deadline_at, claimBefore: row.claim_before, usedAt: row.used_at ?? undefined,
    nudges: row.nudges, named: row.named ?? undefined,
  };
}

export function takeDueWatches(db: Db, limit: number): Promise<RotationRow[]> {
  return db.query<RotationRow>(
    `WITH due AS MATERIALIZED (
       SELECT rotation_id FROM rotation WHERE watch_at <= now() ORDER BY watch_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     UPDATE rotation r SET watch_at = NULL FROM due WHERE r.rotation_id = due.rotation_id RETURNING r.*, now() AS now`,
    [limit],
  );
}

export interface Sighting {
  rotationId: string;
  gateway: string;
  network: string;
  agent: string;
  lastSeenAt: string;
  count: number;
  /** When the rotation is to be looked at because of it. */
  lookAt: Date;
}

/**
 * Adds up who still shows an old secret. Somebody new has the rotation looked at, and everybody while nobody was named:
 * who calls rarely may be away at each look. More of the same has not.
 * Sorted, so that replicas take the rows' locks in one order.
 */
export async function recordSightings(db: Db, sightings: readonly Sighting[]): Promise<void> {
  const sorted = [...sightings].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  await db.query(
    `WITH seen AS (
       SELECT * FROM json_to_recordset($1::json)
         AS s("rotationId" text, gateway text, network text, agent text, "lastSeenAt" timestamptz, count bigint, "lookAt" timestamptz)),
     kept AS (
       INSERT INTO straggler (rotation_id, gateway, network, agent, last_seen_at, count)
       SELECT "rotationId", gateway, network, agent, "lastSeenAt", count FROM seen
       ON CONFLICT (rotation_id, gateway, network, agent)
       DO UPDATE SET last_seen_at = greatest(straggler.last_seen_at, excluded.last_seen_at), count = straggler.count + excluded.count
       RETURNING rotation_id, xmax = 0 AS fresh)
     UPDATE rotation r SET watch_at = least(r.watch_at, n.look_at)
     FROM (SELECT k.rotation_id AS id, bool_or(k.fresh) AS fresh, min(s."lookAt") AS look_at FROM kept k JOIN seen s ON s."rotationId" = k.rotation_id GROUP BY 1) n
     WHERE r.rotation_id = n.id AND (n.fresh OR r.named IS NULL) AND (r.watch_at IS NULL OR r.watch_at > n.look_at)`,
    [JSON.stringify(sorted)],
  );
}

export function keyOf({ rotationId, gateway, network, agent }: Pick<Sighting, 'rotationId' | 'gateway' | 'network' | 'agent'>): string {
  return JSON.stringify([rotationId, gateway, network, agent]);
}

export async function answerOf(db: Db, row: RotationRow): Promise<RotationAnswer> {
  const { rotation_id, token_id, state, cause, generation, started_at, deadline_at, claim_before, named, requested_by, reason, steered } = row;
  // In an emergency the old secret is retired long before the rotation ends.
  const endedAt = isOpen(state) ? undefined : row.retired_at ?? row.token_ended_at ?? row.stopped_at ?? row.lapsed_at ?? undefined;
  const stragglers = endedAt ? [] : await stragglersOf(db, row);
  return {
    rotationId: rotation_id, tokenId: token_id, state, cause, generation: generation ?? undefined, startedAt: started_at.toISOString(),
    deadlineAt: deadline_at.toISOString(), claimBefore: claim_before.toISOString(), endedAt: endedAt?.toISOString(),
    by: requested_by ?? undefined, reason: reason ?? undefined, steered: steered ?? undefined,
    blocked: named !== null && stragglers.length > 0, stragglers,
  };
}
