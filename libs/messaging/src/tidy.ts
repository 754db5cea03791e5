import type { Db } from './database.js';

/** Sent events stay this long, for whoever has to find out what was said. */
const outboxKept = '1 day';
/** Repetitions are recognised this long. */
const inboxKept = '7 days';

/**
 * Forgets what is old: bounded deletes, so that tidying never holds many locks, and as many of them as it takes.
 * @param atOnce rows in one statement, at the most
 */
export async function tidy(db: Db, signal: AbortSignal, atOnce = 20_000): Promise<void> {
  const repeat = async (sql: string, kept: string) => {
    while (!signal.aborted && (await db.query(sql, [kept, atOnce])).length === atOnce);
  };
  await repeat(
    `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox o WHERE created_at < now() - $1::interval
       AND NOT EXISTS (SELECT FROM outbox_unsent u WHERE u.id = o.id) ORDER BY id LIMIT $2) RETURNING 1`, outboxKept);
  await repeat(
    `DELETE FROM inbox WHERE message_id IN (SELECT message_id FROM inbox WHERE received_at < now() - $1::interval LIMIT $2) RETURNING 1`, inboxKept);
}
