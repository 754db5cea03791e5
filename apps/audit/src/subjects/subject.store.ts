import { hash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Db } from '@writ/messaging';
import type { Kin } from '../entries/candidate.js';
import { digestOfDisclosure, placeOf, readBox } from '../entries/disclosure.js';
import { parseLeaf } from '../entries/leaf.js';
import { packed } from '../entries/packed.js';
import { placesIn, type ErasedText } from './erase.js';

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
  async keysFor(db: Db, names: readonly string[], kin: readonly Kin[]): Promise<Map<string, SubjectKey>> {
    const wanted = [...new Set(names)];
    const moved = kin.filter(({ anew }) => anew);
    if (moved.length > 0) await leaveBehind(db, moved);
    const keys = await this.find(db, wanted);
    const parents = new Map(kin.map(({ child, parent }) => [child, parent]));
    const missing = [...new Set([...wanted.filter((name) => !keys.has(name)), ...parents.keys()])];
    if (missing.length === 0) return keys;
    await insert(db, missing, parents);
    return this.find(db, wanted);
  }

  /**
   * Destroys the keys of these subjects, and of the requests and tokens that belong to them or once did, with all that was
   * encrypted under them meanwhile. A request or token goes on under a new key and stays theirs, so that what it says later
   * is found when they are forgotten again. Backups of what was encrypted are unreadable without a backup of the keys.
   * @returns what was lost; undefined where no such subject is known
   */
  async erase(db: Db, logId: number, names: readonly string[]): Promise<Erased | undefined> {
    const found = await db.query<{ subject_id: string }>(
      `WITH wanted AS (SELECT decode(r, 'hex') AS ref FROM unnest($1::text[]) r)
       SELECT subject_id FROM subject WHERE ref IN (TABLE wanted) OR former_ref IN (TABLE wanted) OR parent_ref IN (TABLE wanted)`,
      [names.map((name) => refOf(name).toString('hex'))],
    );
    return found.length === 0 ? undefined : destroy(db, logId, found.map(({ subject_id }) => subject_id));
  }

  /**
   * Erases again what a leaf says was erased, in a database that was set back to before it was.
   * @returns how many subjects had come back
   */
  async eraseAgain(db: Db, logId: number, { entries = '', uses = '' }: ErasedText): Promise<number> {
    const back = new Set<string>();
    for (const { table, places, placesOf } of [
      { table: 'disclosure', places: placesIn(entries), placesOf: digestPlaces }, { table: 'use_record', places: placesIn(uses), placesOf: recordPlaces },
    ] as const) {
      const rows = await db.query<BoxRow>(`${boxesSql(table)} WHERE d.log_id = $1 AND d.seq = ANY($2)`, [logId, [...places.keys()]]);
      for (const row of rows) {
        const ranges = places.get(Number(row.seq)) ?? [];
        if (placesOf(row).some((place) => ranges.some(([first, last]) => first <= place && place <= last))) back.add(row.subject_id);
      }
    }
    if (back.size > 0) await destroy(db, logId, [...back]);
    return back.size;
  }

  private async find(db: Db, names: readonly string[]): Promise<Map<string, SubjectKey>> {
    const byRef = new Map(names.map((name) => [refOf(name).toString('hex'), name]));
    const rows = await db.query<{ subject_id: string; ref: string; key: Buffer }>(
      `SELECT subject_id, encode(ref, 'hex') AS ref, key FROM subject WHERE ref = ANY(SELECT decode(r, 'hex') FROM unnest($1::text[]) r)`, [[...byRef.keys()]],
    );
    return new Map(rows.map(({ subject_id, ref, key }) => [byRef.get(ref)!, { id: subject_id, key }]));
  }
}

/** What was lost, by entry: places among the digests of its leaf, and among the records of its batch. */
export interface Erased {
  entries: Map<number, number[]>;
  uses: Map<number, number[]>;
}

interface BoxRow {
  seq: string;
  subject_id: string;
  box: Buffer;
  key: Buffer;
  leaf: Buffer;
}

function boxesSql(table: 'disclosure' | 'use_record'): string {
  return `SELECT d.seq, d.subject_id, d.box, s.key, e.leaf FROM ${table} d JOIN subject s USING (subject_id) JOIN tlog_entry e USING (log_id, seq)`;
}

/** Where the disclosures of a box stand among the digests of their leaf. One that does not open stands nowhere: it was lost before. */
function digestPlaces({ seq, key, box, leaf }: BoxRow): number[] {
  const digests = parseLeaf(leaf)._sd ?? [];
  return (readBox<string[]>(key, box, placeOf('entry', Number(seq))) ?? []).map((text) => digests.indexOf(digestOfDisclosure(text))).filter((place) => place >= 0);
}

function recordPlaces({ seq, key, box }: BoxRow): number[] {
  return (readBox<[number, string][]>(key, box, placeOf('uses', Number(seq))) ?? []).map(([place]) => place);
}

async function destroy(db: Db, logId: number, ids: readonly string[]): Promise<Erased> {
  const erased: Erased = { entries: new Map(), uses: new Map() };
  for (const { table, into, placesOf } of [
    { table: 'disclosure', into: erased.entries, placesOf: digestPlaces }, { table: 'use_record', into: erased.uses, placesOf: recordPlaces },
  ] as const) {
    for (const row of await db.query<BoxRow>(`${boxesSql(table)} WHERE d.log_id = $1 AND d.subject_id = ANY($2)`, [logId, ids])) {
      const index = Number(row.seq);
      const places = placesOf(row);
      if (places.length > 0) into.set(index, [...(into.get(index) ?? []), ...places]);
    }
    await db.query(`DELETE FROM ${table} WHERE log_id = $1 AND subject_id = ANY($2)`, [logId, ids]);
  }
  await db.query('DELETE FROM subject WHERE subject_id = ANY($1) AND (parent_ref IS NULL OR former_ref IS NOT NULL)', [ids]);
  const left = await db.query<{ subject_id: string }>('SELECT subject_id FROM subject WHERE subject_id = ANY($1)', [ids]);
  await renewKeys(db, left.map(({ subject_id }) => subject_id));
  return erased;
}

/**
 * What a token said under its owner until now stays theirs, under its key until now; the token itself begins anew with the
 * next owner. What else a batch says of it at this moment is taken for the next owner's.
 */
async function leaveBehind(db: Db, moved: readonly Kin[]): Promise<void> {
  await db.query(
    `UPDATE subject s SET former_ref = s.ref, ref = sha256(s.ref || int8send(s.subject_id))
     FROM json_to_recordset($1::json) AS r(child text, parent text)
     WHERE s.ref = decode(r.child, 'hex') AND s.parent_ref <> decode(r.parent, 'hex')`,
    [JSON.stringify(moved.map(({ child, parent }) => ({ child: refOf(child).toString('hex'), parent: refOf(parent).toString('hex') })))],
  );
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
     SELECT decode(ref, 'hex'), decode(parent, 'hex'), substr($1::bytea, at, length)
     FROM json_to_recordset($2::json) AS r(ref text, parent text, at int, length int)
     ON CONFLICT (ref) DO UPDATE SET parent_ref = excluded.parent_ref
     WHERE excluded.parent_ref IS NOT NULL AND subject.parent_ref IS NULL`,
    [bytes, JSON.stringify(rows.map((row, i) => ({ ...row, ...places[i] })))],
  );
}
