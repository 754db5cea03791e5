import type { Db } from '@writ/messaging';

const mostCounted = 10_001;

/**
 * How many rows wait: counted where they are few, beyond 10,000 the planner's estimate, so that looking at a million
 * costs what looking at ten thousand does.
 * @param rows SQL from `FROM` on
 */
export async function waitingRows(db: Db, rows: string): Promise<number> {
  const [counted] = await db.query<{ n: string }>(`SELECT count(*) AS n FROM (SELECT 1 ${rows} LIMIT ${mostCounted}) waiting`);
  if (Number(counted?.n) < mostCounted) return Number(counted?.n);
  const [plan] = await db.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(`EXPLAIN (FORMAT JSON) SELECT 1 ${rows}`);
  return Math.max(mostCounted, plan?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0);
}
