import type { Db } from '@writ/messaging';

export interface WatchRow {
  subject: string;
  at: Date;
  count: string;
  facts: Record<string, unknown>;
}

/** Notes that something was heard; facts of an older message do not replace newer ones. */
export async function note(db: Db, subject: string, at: Date, facts: Record<string, unknown>): Promise<void> {
  await db.query(
    `INSERT INTO watch AS w (subject, at, facts) VALUES ($1, $2, $3)
     ON CONFLICT (subject) DO UPDATE SET count = w.count + 1, at = greatest(w.at, excluded.at), facts = CASE WHEN excluded.at >= w.at THEN excluded.facts ELSE w.facts END`,
    [subject, at, JSON.stringify(facts)],
  );
}

export function watched(db: Db): Promise<WatchRow[]> {
  return db.query<WatchRow>('SELECT subject, at, count, facts FROM watch ORDER BY subject LIMIT 1000');
}
