import { quantile, type BenchOptions, type Row } from '../row.js';
import { fill, openCalendar, type Calendar } from './calendar.js';

const atOnce = 500;
const few = 1_000;
const warmUp = 100;

/** One round of all the calendar's jobs with nothing due, among many tokens, in turn with the same among a thousand. */
export async function tick({ quick, say }: BenchOptions): Promise<Row[]> {
  const rows = await measure('tick 1M', 1_000_000, say);
  return quick ? rows : [...rows, ...(await measure('tick 10M', 10_000_000, say))];
}

async function measure(name: string, count: number, say: BenchOptions['say']): Promise<Row[]> {
  say(`${name}: ${count.toLocaleString('en')} tokens that are not due`);
  const [ours, limit] = [await openCalendar(), await openCalendar()];
  try {
    await fill(ours, count, `interval '20 days' + n * interval '1 millisecond'`);
    await fill(limit, few, `interval '20 days'`);
    const latencies = { ours: [] as number[], limit: [] as number[] };
    const until = performance.now() + 10_000;
    for (let i = 0; i < warmUp || performance.now() < until; i++) {
      const [oursMs, limitMs] = [await round(ours), await round(limit)];
      if (i >= warmUp) {
        latencies.ours.push(oursMs);
        latencies.limit.push(limitMs);
      }
    }
    const row = (kind: 'ours' | 'limit', among: number): Row => {
      const p50Ms = quantile(latencies[kind], 0.5);
      return { bench: 'rotation', name, kind, perSecond: 1_000 / p50Ms, p50Ms, p99Ms: quantile(latencies[kind], 0.99), note: `among ${among.toLocaleString('en')}` };
    };
    return [row('ours', count), row('limit', few)];
  } finally {
    await ours.drop();
    await limit.drop();
  }
}

/** @returns its milliseconds */
async function round({ transactions, stores }: Calendar): Promise<number> {
  const startedAt = performance.now();
  await transactions.run((tx) => stores.takeDueRotations(tx.db, atOnce));
  await transactions.run((tx) => stores.lockDueNotices(tx.db, atOnce));
  await transactions.run((tx) => stores.takeDueWatches(tx.db, atOnce));
  return performance.now() - startedAt;
}
