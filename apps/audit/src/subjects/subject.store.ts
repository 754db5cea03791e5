import { hash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { packed } from '../entries/packed.js';
import type { Db } from '@writ/messaging';

export interface SubjectKey {
  id: string;
  key: Buffer;
}

const keyBytes = 32;

/** The key of a subject's row: names themselves are not stored. */
export function refOf(name: string): Buffer {
  return hash('sha256', name, 'buffer');
}

/** One key per subject; whoever destroys it forgets everything that was encrypted under it. */
@Injectable()
export class SubjectStore {
  /** The keys of these subjects, made where they are missing. Only under the lock of the log, so that none is made twice. */
  async keysFor(db: Db, names: readonly string[], kin: readonly { child: string; parent: string }[]): Promise<Map<string, SubjectKey>> {
    const wanted = [...new Set(names)];
    const keys = await this.find(db, wanted);
    const parents = new Map(kin.map(({ child, parent }) => [child, parent]));
    const missing = [...new Set([...wanted.filter((name) => !keys.has(name)), ...parents.keys()])];
    if (missing.length === 0) return keys;
    await insert(db, missing, parents);
    return this.find(db, wanted);
  }

  /**
   * Destroys the keys of these subjects, and of the requests and tokens that belong to them, with all that was
   * encrypted under them. A request or token goes on under a new key and stays theirs, so that what it says later is
   * found when they are forgotten again. Backups of what was encrypted are unreadable without a backup of the keys.
   * @returns the entries that lost something, ascending; undefined where no such subject is known
   */
  async erase(db: Db, logId: number, names: readonly string[]): Promise<number[] | undefined> {
    const found = await db.query<{ subject_id: string; is_child: boolean }>(
      `SELECT subject_id, parent_ref IS NOT NULL AS is_child FROM subject WHERE ref = ANY(SELECT decode(r, 'hex') FROM unnest($1::text[]) r)
       OR parent_ref = ANY(SELECT decode(r, 'hex') FROM unnest($1::text[]) r)`, [names.map((name) => refOf(name).toString('hex'))],
    );
    if (found.length === 0) return undefined;
    const ids = found.map(({ subject_id }) => subject_id);
    const rows = [
      ...await db.query<{ seq: string }>('DELETE FROM disclosure WHERE log_id = $1 AND subject_id = ANY($2) RETURNING seq', [logId, ids]),
      ...await db.query<{ seq: string }>('DELETE FROM use_record WHERE log_id = $1 AND subject_id = ANY($2) RETURNING seq', [logId, ids]),
    ];
    await db.query('DELETE FROM subject WHERE subject_id = ANY($1) AND parent_ref IS NULL', [ids]);
    await renewKeys(db, found.flatMap(({ subject_id, is_child }) => (is_child ? subject_id : [])));
    return [...new Set(rows.map(({ seq }) => Number(seq)))].sort((a, b) => a - b);
  }

  private async find(db: Db, names: readonly string[]): Promise<Map<string, SubjectKey>> {
    const byRef = new Map(names.map((name) => [refOf(name).toString('hex'), name]));
    const rows = await db.query<{ subject_id: string; ref: string; key: Buffer }>(
      `SELECT subject_id, encode(ref, 'hex') AS ref, key FROM subject WHERE ref = ANY(SELECT decode(r, 'hex') FROM unnest($1::text[]) r)`, [[...byRef.keys()]],
    );
    return new Map(rows.map(({ subject_id, ref, key }) => [byRef.get(ref)!, { id: subject_id, key }]));
  }
}

async function renewKeys(db: Db, ids: readonly string[]): Promise<void> {
  const { bytes, places } = packed(ids.map(() => randomBytes(keyBytes)));
  await db.query(
    `UPDATE subject SET key = substr($1::bytea, at, length) FROM json_to_recordset($2::json) AS r(id bigint, at int, length int) WHERE subject_id = id`,
    [bytes, JSON.stringify(ids.map((id, i) => ({ id, ...places[i] })))],
  );
}

async function insert(db: Db, names: readonly string[], parents: ReadonlyMap<string, string>): Promise<void> {
  const rows = names.map((name) => {
    const parent = parents.get(name);
    return { ref: refOf(name).toString('hex'), parent: parent === undefined ? null : refOf(parent).toString('hex') };
  });
  const { bytes, places } = packed(rows.map(() => randomBytes(keyBytes)));
  await db.query(
    `INSERT INTO subject (ref, parent_ref, key)
     SELECT decode(ref, 'hex'), decode(parent, 'hex'), substr($1::bytea, at, length) FROM json_to_recordset($2::json) AS r(ref text, parent text, at int, length int)
     ON CONFLICT (ref) DO UPDATE SET parent_ref = excluded.parent_ref
     WHERE excluded.parent_ref IS NOT NULL AND subject.parent_ref IS DISTINCT FROM excluded.parent_ref`,
    [bytes, JSON.stringify(rows.map((row, i) => ({ ...row, ...places[i] })))],
  );
}
