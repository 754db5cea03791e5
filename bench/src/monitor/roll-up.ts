import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@writ/testing';
import type { BenchOptions, Row } from '../row.js';
import { Replica } from './replica.js';

/** Minutes that are over become hours, by one monitor as it is deployed; the limit deletes the same rows and sums up nothing. */
export async function rollUp({ quick, say }: BenchOptions): Promise<Row[]> {
  const [tokens, minutes] = quick ? [2_000, 150] : [10_000, 150];
  const count = tokens * minutes;
  const replica = await Replica.create();
  try {
    say(`roll-up: ${count.toLocaleString('en')} minutes of ${tokens.toLocaleString('en')} tokens are due`);
    await fill(replica, tokens, minutes);
    await replica.start();
    const first = await until(async () => { const left = await dueOf(replica); return left < count && { left, at: performance.now() }; }, 'the roll-up to begin', 120_000);
    const cpu = replica.usage().cpuSeconds;
    while ((await dueOf(replica)) > 0) await sleep(50);
    const perSecond = first.left / ((performance.now() - first.at) / 1_000);
    const cpuUsPerOp = ((replica.usage().cpuSeconds - cpu) * 1e6) / first.left;
    const [hours] = await replica.query<{ calls: string; n: string }>('SELECT sum(calls) calls, count(*) n FROM usage_hour');
    if (Number(hours?.calls) !== count * 3) throw new Error(`The roll-up counted ${hours?.calls} calls of ${count * 3}.`);
    await replica.stop();
    await fill(replica, tokens, minutes);
    const begun = performance.now();
    await replica.query(`DELETE FROM usage_minute WHERE at < now() - interval '2 hours'`);
    const bare = count / ((performance.now() - begun) / 1_000);
    return [
      { bench: 'monitor', name: 'roll-up', kind: 'ours', perSecond, cpuUsPerOp, note: `minutes into ${Number(hours?.n).toLocaleString('en')} hours` },
      { bench: 'monitor', name: 'roll-up', kind: 'limit', perSecond: bare, note: 'one bare DELETE of the same rows' },
    ];
  } finally {
    await replica.close();
  }
}

/** In the order in which they came. */
async function fill(replica: Replica, tokens: number, minutes: number): Promise<void> {
  await replica.query(
    `INSERT INTO usage_minute (token_id, at, code, calls, last_at)
     SELECT 'tok_' || lpad(t::text, 26, '0'), at, 'VALID', 3, at FROM generate_series($2::int, 1, -1) m, LATERAL (SELECT date_trunc('minute', now()) - interval '3 hours' - m * interval '1 minute' AS at) w, generate_series(1, $1::int) t`,
    [tokens, minutes],
  );
}

async function dueOf(replica: Replica): Promise<number> {
  return Number((await replica.query<{ n: string }>('SELECT count(*) n FROM usage_minute'))[0]?.n);
}
