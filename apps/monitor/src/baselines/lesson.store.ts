import type { Db } from '@writ/messaging';
import type { Lesson } from './baseline.store.js';

/** Keeps what a dismissal taught where a loss of Redis does not reach it. */
export async function saveLesson(db: Db, tokenId: string, { highMinute, highHour, highDenied }: Lesson): Promise<void> {
  await db.query(
    `INSERT INTO lesson AS l (token_id, high_minute, high_hour, high_denied) VALUES ($1, $2, $3, $4)
     ON CONFLICT (token_id) DO UPDATE SET high_minute = greatest(l.high_minute, excluded.high_minute),
       high_hour = greatest(l.high_hour, excluded.high_hour), high_denied = greatest(l.high_denied, excluded.high_denied), learnt_at = now()`,
    [tokenId, highMinute, highHour, highDenied],
  );
}
