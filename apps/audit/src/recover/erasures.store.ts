import type { Db } from '@writ/messaging';
import { placeOf, unseal } from '../entries/disclosure.js';
import { indicesIn } from '../subjects/erase.js';
import type { Erasure } from './erasure.js';

const mostListed = 20;

/** A restored backup opens what was erased after it was made. Nothing was written: the operator decides. */
export class ErasuresUndone extends Error {
  override readonly name = 'ErasuresUndone';

  constructor(readonly erasures: readonly Erasure[]) {
    const listed = erasures.slice(0, mostListed).map(({ index, basis, entries }) => `  entry ${index}, for ${basis}: ${entries || 'no entries'}`);
    const more = erasures.length > mostListed ? [`  and ${erasures.length - mostListed} more`] : [];
    super([
      'After this backup was made people were forgotten, and its keys open what was theirs:', ...listed, ...more,
      'Put the newest keys into the table subject first (docs/operations.md, Personal data and backups). Where you have done so, or',
      'have none, run it again with --will-erase-again, and erase those people again as soon as the service runs.',
    ].join('\n'));
  }
}

/**
 * Whether anything opens that may be an erased person's. The leaves do not say who was forgotten, only which entries
 * lost something; so it may be whoever has nothing anywhere else, and somebody who was not forgotten can be among them.
 */
export async function opensAgain(db: Db, logId: number, erasures: readonly Erasure[]): Promise<boolean> {
  const ranges = erasures.flatMap(({ entries }) => indicesIn(entries));
  for (const [table, kind] of [['disclosure', 'entry'], ['use_record', 'uses']] as const) {
    const rows = await db.query<{ seq: string; box: Buffer; key: Buffer }>(
      `WITH listed AS (SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS r(first, last))
       SELECT d.seq, d.box, s.key FROM ${table} d JOIN subject s USING (subject_id)
       WHERE d.log_id = $1 AND EXISTS (SELECT 1 FROM listed WHERE d.seq BETWEEN first AND last)
         AND NOT EXISTS (SELECT 1 FROM disclosure o WHERE o.subject_id = d.subject_id AND NOT EXISTS (SELECT 1 FROM listed WHERE o.seq BETWEEN first AND last))
         AND NOT EXISTS (SELECT 1 FROM use_record o WHERE o.subject_id = d.subject_id AND NOT EXISTS (SELECT 1 FROM listed WHERE o.seq BETWEEN first AND last))`,
      [logId, ranges.map(([first]) => first), ranges.map(([, last]) => last)],
    );
    if (rows.some(({ seq, box, key }) => unseal(key, box, placeOf(kind, Number(seq))) !== undefined)) return true;
  }
  return false;
}
