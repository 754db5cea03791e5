import type { Db } from '@writ/messaging';

/**
 * Gives this service's events new counters, beginning at 1 under names that were never used. Those that the backup
 * brought back would say numbers a second time: what was said after it was made is in the log from entry `from` on, or
 * still on its way.
 */
export async function countAnew(db: Db, logId: number, from: number): Promise<void> {
  await db.query(
    `WITH used AS (
       SELECT max(partition) AS partition FROM producer_counter
       UNION ALL SELECT max(substring(convert_from(leaf, 'utf8')::json->>'src' FROM '^audit/(\\d{1,4})$')::int) FROM tlog_entry WHERE log_id = $1 AND seq >= $2),
     own AS (SELECT partition, row_number() OVER (ORDER BY partition) AS place FROM producer_counter)
     UPDATE producer_counter c SET partition = (SELECT max(partition) FROM used) + own.place, n = 0 FROM own WHERE own.partition = c.partition`,
    [logId, from],
  );
}
