import type { Forecast } from '@writ/contracts';
import type { Db } from '@writ/messaging';

/** So many dates of each kind are read at the most; beyond them a forecast is a lower bound, and says so. */
const mostRead = 1_000_000;

interface Row { n: number; rotations: string; expiries: string; claims: string; reviews: string; unclaimed: string }

/** Counts what will be due from the calendar's indices alone: the cost is that of the dates within the horizon. */
export async function forecast(db: Pick<Db, 'query'>, bucket: string, seconds: number, count: number, most = mostRead): Promise<Forecast> {
  const [time] = await db.query<{ now: Date }>('SELECT now() AS now');
  const from = time?.now as Date;
  const source = (column: string, where: string) =>
    `(SELECT floor(extract(epoch FROM greatest(${column}, $1) - $1) / $2)::int AS n, (NOT sealed)::int AS open, (approvers > 0)::int AS reviewed FROM (
        SELECT ${column}, sealed, approvers FROM token WHERE ${where} AND ${column} < $1::timestamptz + make_interval(secs => $2::float8 * $3::float8) ORDER BY ${column} LIMIT ${most}) due)`;
  const rows = await db.query<Row>(
    `SELECT n, sum(r) AS rotations, sum(e) AS expiries, sum(c + u) AS claims, sum(v) AS reviews, sum(u) AS unclaimed FROM (
       SELECT n, 1 AS r, 0 AS e, open AS c, 0 AS v, 0 AS u FROM ${source('rotate_at', 'rotate_at IS NOT NULL AND NOT suspended')} a
       UNION ALL SELECT n, 0, 1, 0, reviewed, 0 FROM ${source('expires_at', 'ended_at IS NULL')} b
       UNION ALL SELECT n, 0, 0, 0, 0, 1 FROM ${source('claim_before', 'ended_at IS NULL AND secret_since IS NULL AND claim_before IS NOT NULL')} c
     ) due GROUP BY n`,
    [from, seconds, count],
  );
  const byBucket = new Map(rows.map((row) => [row.n, row]));
  const sum = (of: (row: Row) => number) => rows.reduce((all, row) => all + of(row), 0);
  const read = [sum(({ rotations }) => Number(rotations)), sum(({ expiries }) => Number(expiries)), sum(({ unclaimed }) => Number(unclaimed))];
  return {
    asOf: from.toISOString(), bucket, ...(Math.max(...read) >= most ? { truncated: true } : {}),
    buckets: Array.from({ length: count }, (_, n) => ({
      from: new Date(from.getTime() + n * seconds * 1_000).toISOString(),
      rotations: Number(byBucket.get(n)?.rotations ?? 0), expiries: Number(byBucket.get(n)?.expiries ?? 0), claims: Number(byBucket.get(n)?.claims ?? 0),
      reviews: Number(byBucket.get(n)?.reviews ?? 0),
    })),
  };
}
