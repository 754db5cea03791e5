import type { Forecast } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import { laterOnes } from './later-ones.js';
import { earlyShare, shortestWindowSeconds } from './plan-rotation.js';

/** So many dates of each kind are read at the most; beyond them a forecast is a lower bound, and says so. */
const mostRead = 1_000_000;

/** What is due in one bucket. Rotations are counted by what tells when they come again. */
interface Row { n: number; open: boolean | null; step: string | null; more: number | null; rotations: string; expiries: string; reviews: string; unclaimed: string }

export interface Horizon {
  bucket: string;
  /** Of one bucket. */
  seconds: number;
  count: number;
  claimWindowSeconds: number;
}

/** Counts what will be due from the calendar's indices alone: the cost is that of the dates within the horizon. */
export async function forecast(db: Pick<Db, 'query'>, { bucket, seconds, count, claimWindowSeconds }: Horizon, most = mostRead): Promise<Forecast> {
  const [time] = await db.query<{ now: Date }>('SELECT now() AS now');
  const from = time?.now as Date;
  const source = (column: string, where: string, columns: string) =>
    `SELECT floor(extract(epoch FROM greatest(${column}, $1) - $1) / $2)::int AS n, ${columns} FROM (
       SELECT * FROM token WHERE ${where} AND ${column} < $1::timestamptz + make_interval(secs => $2::float8 * $3::float8) ORDER BY ${column} LIMIT ${most}) due`;
  const step = `rotate_seconds * (1 - ${earlyShare} / 2)`;
  const lastDue = `expires_at - make_interval(secs => least($4::float8, greatest(${shortestWindowSeconds}, rotate_seconds / 2)))`;
  const rows = await db.query<Row>(
    `SELECT n, open, step, more, sum(r) AS rotations, sum(e) AS expiries, sum(v) AS reviews, sum(u) AS unclaimed FROM (
       ${source('rotate_at', 'rotate_at IS NOT NULL AND NOT suspended', `NOT sealed AS open, ${step} AS step,
         floor(least(greatest(0, extract(epoch FROM ${lastDue} - rotate_at) / (${step})), $2::float8 * $3::float8 / (${step})))::int AS more, 1 AS r, 0 AS e, 0 AS v, 0 AS u`)}
       UNION ALL ${source('expires_at', 'ended_at IS NULL', 'NULL, NULL, NULL, 0, 1, (approvers > 0)::int, 0')}
       UNION ALL ${source('claim_before', 'ended_at IS NULL AND secret_since IS NULL AND claim_before IS NOT NULL', 'NULL, NULL, NULL, 0, 0, 0, (NOT sealed)::int')}
     ) due GROUP BY n, open, step, more`,
    [from, seconds, count, claimWindowSeconds],
  );
  const buckets = Array.from({ length: count }, (_, n) => ({ from: new Date(from.getTime() + n * seconds * 1_000).toISOString(), rotations: 0, expiries: 0, claims: 0, reviews: 0 }));
  const read = { rotations: 0, expiries: 0, unclaimed: 0 };
  for (const { n, open, step: every, more, rotations, expiries, reviews, unclaimed } of rows) {
    const own = buckets[n];
    if (!own) continue;
    const begun = { rotations: Number(rotations), expiries: Number(expiries), unclaimed: Number(unclaimed) };
    own.expiries += begun.expiries;
    own.reviews += Number(reviews);
    own.claims += begun.unclaimed;
    for (const [at, times] of laterOnes({ n, count, every: Number(every ?? 0) / seconds, more: more ?? 0 })) {
      const later = buckets[at] as typeof own;
      later.rotations += begun.rotations * times;
      if (open) later.claims += begun.rotations * times;
    }
    for (const kind of ['rotations', 'expiries', 'unclaimed'] as const) read[kind] += begun[kind];
  }
  return { asOf: from.toISOString(), bucket, ...(Math.max(...Object.values(read)) >= most ? { truncated: true } : {}), buckets };
}
