import type { ActivePolicySet, Digest, PolicyCheck, PolicySetAnswer, Principal } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { PolicyFiles } from '@writ/policy';

/** The active-set pointer; activation 0 means that no set was ever activated. */
export interface Head {
  activation: number;
  policy_digest: Digest | null;
  statement: string | null;
}

/** Reads the pointer as of now. */
export async function readHead(db: Db): Promise<Head> {
  return only(await db.query<Head>('SELECT activation, policy_digest, statement FROM active_policy_set'));
}

/**
 * One lock per database, taken in its own statement, so that what is read afterwards is read after the wait. A lock on
 * the row would not do: those who only share it pass a waiting activation, and a busy service would never let it in.
 */
const lockId = 4_001_701;

/** Reads the pointer and keeps it from changing until this transaction ends; others may do the same. */
export async function holdHead(db: Db): Promise<Head> {
  await db.query('SELECT pg_advisory_xact_lock_shared($1)', [lockId]);
  return readHead(db);
}

/** Reads the pointer in order to change it: waits for every transaction that holds it, and lets no new one before. */
export async function lockHead(db: Db): Promise<Head> {
  await db.query('SELECT pg_advisory_xact_lock($1)', [lockId]);
  return readHead(db);
}

function only(rows: Head[]): Head {
  const [row] = rows;
  if (!row) throw new Error('The active policy set has no row: the database was tampered with.');
  return row;
}

export async function filesOf(db: Db, digest: string): Promise<PolicyFiles | undefined> {
  return (await db.query<{ files: PolicyFiles }>('SELECT files FROM policy_set WHERE digest = $1', [digest]))[0]?.files;
}

export interface StoredSet {
  files: PolicyFiles;
  /** The engine under which the set passed its checks. */
  checkedBy: string;
  /** What they said. */
  report: PolicyCheck;
}

export async function storedSet(db: Db, digest: string): Promise<StoredSet | undefined> {
  return (await db.query<StoredSet>('SELECT files, engine_version AS "checkedBy", report FROM policy_set WHERE digest = $1', [digest]))[0];
}

/** Keeps a set for ever; one that is there already stays as it is. */
export async function addSet(db: Db, digest: string, { files, checkedBy, report }: StoredSet, by: Principal): Promise<void> {
  await db.query(
    'INSERT INTO policy_set (digest, files, engine_version, report, created_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING',
    [digest, JSON.stringify(files), checkedBy, JSON.stringify(report), JSON.stringify(by)],
  );
}

const setColumns = `digest, created_by AS "createdBy", created_at AS "createdAt",
  digest IS NOT DISTINCT FROM (SELECT policy_digest FROM active_policy_set) AS active`;

export async function findSet(db: Db, digest: string): Promise<PolicySetAnswer | undefined> {
  const [row] = await db.query<PolicySetAnswer>(`SELECT ${setColumns}, files FROM policy_set WHERE digest = $1`, [digest]);
  return row && { ...row, createdAt: utc(row.createdAt) };
}

/** The newest first. @param before a digest: only sets older than it */
export async function listSets(db: Db, limit: number, before: string | undefined): Promise<PolicySetAnswer[]> {
  const rows = await db.query<PolicySetAnswer>(
    `SELECT ${setColumns} FROM policy_set
     WHERE $2::text IS NULL OR (created_at, digest) < (SELECT created_at, digest FROM policy_set WHERE digest = $2)
     ORDER BY policy_set.created_at DESC, digest DESC LIMIT $1`,
    [limit, before ?? null],
  );
  return rows.map((row) => ({ ...row, createdAt: utc(row.createdAt) }));
}

/** Who asked to activate this set in place of that activation, where anybody did. */
export async function proposerOf(db: Db, digest: string, baseActivation: number): Promise<Principal | undefined> {
  const [row] = await db.query<{ proposed_by: Principal }>('SELECT proposed_by FROM proposal WHERE policy_digest = $1 AND base_activation = $2', [digest, baseActivation]);
  return row?.proposed_by;
}

export async function propose(db: Db, digest: string, baseActivation: number, by: Principal): Promise<void> {
  await db.query('INSERT INTO proposal (policy_digest, base_activation, proposed_by) VALUES ($1, $2, $3)', [digest, baseActivation, JSON.stringify(by)]);
}

export interface NewActivation {
  activation: number;
  digest: Digest;
  previous: Digest | null;
  loosened: boolean;
  proposedBy: Principal | undefined;
  activatedBy: Principal;
  statement: string;
}

/** Moves the pointer; the caller holds it for update. */
export async function activate(db: Db, { activation, digest, previous, loosened, proposedBy, activatedBy, statement }: NewActivation): Promise<void> {
  await db.query(
    `INSERT INTO activation (activation, policy_digest, previous_digest, loosened, proposed_by, activated_by, statement) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [activation, digest, previous, loosened, proposedBy ? JSON.stringify(proposedBy) : null, JSON.stringify(activatedBy), statement],
  );
  await db.query('UPDATE active_policy_set SET activation = $1, policy_digest = $2, statement = $3', [activation, digest, statement]);
}

export async function newestActivation(db: Db): Promise<ActivePolicySet | undefined> {
  const [row] = await db.query<ActivePolicySet>(
    `SELECT policy_digest AS digest, activation, previous_digest AS "previousDigest", loosened, proposed_by AS "proposedBy",
       activated_by AS "activatedBy", activated_at AS "activatedAt", statement
     FROM activation ORDER BY activation DESC LIMIT 1`,
  );
  return row && { ...row, activatedAt: utc(row.activatedAt) };
}

/** The driver gives times as dates. */
function utc(time: string | Date): string {
  return new Date(time).toISOString();
}
