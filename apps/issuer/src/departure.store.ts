import type { OwnerDeactivated, Party } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import type { TokenRow } from './token.row.js';

export interface DepartureRow {
  owner_id: string;
  ends_at: Date;
  /** Who takes over: named by the identity system, and not leaving too. */
  transfer_to: Party | null;
  /** The time to take tokens over has passed. */
  is_over: boolean;
}

/** Said again it may name who takes over, but gives no more time; of somebody who came back and leaves again nothing of before counts. */
export async function ownerLeft(db: Db, { ownerId, deactivatedAt, transferTo }: OwnerDeactivated, transferSeconds: number): Promise<void> {
  await db.query(
    `INSERT INTO departure AS d (owner_id, deactivated_at, ends_at, transfer_to, state) VALUES ($1, least($2, now()), now() + $3 * interval '1 second', $4, 'offering')
     ON CONFLICT (owner_id) DO UPDATE SET state = 'offering', deactivated_at = excluded.deactivated_at, 
       transfer_to = CASE d.state WHEN 'ended' THEN excluded.transfer_to ELSE coalesce(excluded.transfer_to, d.transfer_to) END,
       ends_at = CASE d.state WHEN 'ended' THEN excluded.ends_at ELSE d.ends_at END`,
    [ownerId, deactivatedAt, transferSeconds, transferTo && transferTo.id !== ownerId ? JSON.stringify(transferTo) : null],
  );
}

/** Locks the departure that is next to be worked on and that no other replica works on. */
export async function lockDeparture(db: Db): Promise<DepartureRow | undefined> {
  return (await db.query<DepartureRow>(
    `SELECT owner_id, ends_at, ends_at <= now() AS is_over,
       CASE WHEN NOT EXISTS (SELECT 1 FROM departure t WHERE t.owner_id = d.transfer_to->>'id' AND t.state <> 'ended') THEN transfer_to END AS transfer_to FROM departure d
     WHERE state <> 'ended' AND (state = 'offering' OR ends_at <= now()) ORDER BY ends_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
  ))[0];
}

/** Locks tokens of the departed that were not looked at, or that may be handed on now. A sealed one nobody can take over. */
export function lockLeftTokens(db: Db, { owner_id, transfer_to }: DepartureRow, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>(
    `SELECT * FROM token WHERE owner_id = $1 AND state IN ('issued', 'active', 'suspended')
       AND (orphaned_until IS NULL OR (owner_team = $2 AND delivery->>'mode' = 'claim')) ORDER BY token_id LIMIT $3 FOR UPDATE`,
    [owner_id, transfer_to?.team ?? null, limit],
  );
}

export async function setDeparture(db: Db, ownerId: string, state: 'waiting' | 'ended'): Promise<void> {
  await db.query('UPDATE departure SET state = $2 WHERE owner_id = $1', [ownerId, state]);
}

export async function isLeaving(db: Db, ownerId: string): Promise<boolean> {
  return (await db.query(`SELECT 1 FROM departure WHERE owner_id = $1 AND state <> 'ended'`, [ownerId])).length > 0;
}

const departureOf = lookup<{ owner_id: string; deactivated_at: Date }>('SELECT owner_id, deactivated_at FROM departure WHERE owner_id = ANY($1)', (row) => row.owner_id);

/** Whether the owner has left since: what was asked for before is not issued any more; who comes back asks anew. */
export async function hasLeftSince(db: Db, ownerId: string, requestedAt: Date): Promise<boolean> {
  const departure = await db.one(departureOf, ownerId);
  return departure !== undefined && requestedAt <= departure.deactivated_at;
}
