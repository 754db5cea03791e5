import type { TrustChanged } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import type { OwnerTrust } from './facts.js';

interface TrustRow {
  owner_id: string;
  open_incidents: number;
  code: string;
}

const byOwner = lookup<TrustRow>('SELECT owner_id, open_incidents, code FROM trust WHERE owner_id = ANY($1)', (row) => row.owner_id);

/** What the monitor last said of an owner; gathered with the other reads of this turn. */
export async function trustOf(db: Db, ownerId: string): Promise<OwnerTrust | undefined> {
  const row = await db.one(byOwner, ownerId);
  return row && { openIncidents: row.open_incidents, code: row.code };
}

/** Keeps the newest version; an older one that comes late changes nothing. */
export async function keepTrust(db: Db, { ownerId, openIncidents, code, since, version }: TrustChanged): Promise<void> {
  await db.query(
    `INSERT INTO trust (owner_id, open_incidents, code, since, version) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (owner_id) DO UPDATE SET open_incidents = excluded.open_incidents, code = excluded.code, since = excluded.since, version = excluded.version
     WHERE trust.version < excluded.version`,
    [ownerId, openIncidents, code, since, version],
  );
}
