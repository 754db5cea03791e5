import { withRatios, type BenchOptions, type Row } from '../row.js';
import { simpleWatchers } from './baselines.js';
import { frozenHash, generatorHash, reportingSeeds } from './frozen.js';
import { families, type Family, type Size } from './generator.js';
import { ingest } from './ingest.js';
import { judge, watch } from './quality.js';
import { memory } from './memory.js';
import { refusal } from './refusal.js';
import { found, perThousandDays, reportOf, type Watcher } from './report.js';
import { wilson } from './wilson.js';

/** Quality on seeds that nobody tuned on, beside two simple watchers; then speed. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows = [...(await quality(options)), ...(await ingest(options)), ...(await memory(options)), ...(await refusal(options))];
  return withRatios(rows);
}

async function quality({ quick, say }: BenchOptions): Promise<Row[]> {
  if (generatorHash() !== frozenHash) throw new Error('The traffic generator is not the frozen one: results would not mean what they say.');
  const size: Size = quick ? { honest: 40, perFamily: 4 } : { honest: 100, perFamily: 15 };
  const ours: Watcher = { name: 'ours', judged: [] };
  const limit: Watcher = { name: 'fixed limit', judged: [] };
  const first = { name: 'first-seen network', judged: [] } as Watcher;
  let records = 0;
  let seconds = 0;
  for (const seed of quick ? reportingSeeds.slice(0, 1) : reportingSeeds) {
    const watched = await watch(seed, size, say);
    records += watched.records;
    seconds += watched.seconds;
    ours.judged.push(judge(watched.subjects, watched.verdicts));
    const { fixedLimit, firstSeen } = simpleWatchers(seed, size);
    limit.judged.push(judge(watched.subjects, fixedLimit));
    first.judged.push(judge(watched.subjects, firstSeen));
  }
  process.stdout.write(`\n${reportOf(ours, [limit, first])}\ntraffic ${frozenHash.slice(0, 12)}, seeds ${reportingSeeds.slice(0, quick ? 1 : undefined).join(', ')}\n`);
  return [ours, limit, first].map((watcher) => rowOf(watcher, records / seconds));
}

function rowOf(watcher: Watcher, perSecond: number): Row {
  const blatant = (Object.keys(families) as Family[]).filter((family) => families[family] === 'blatant').map((family) => found(watcher, family));
  const hits = blatant.reduce((sum, one) => sum + one.hits, 0);
  const trials = blatant.reduce((sum, one) => sum + one.trials, 0);
  const [low, high] = wilson(hits, trials).map((share) => (share * 100).toFixed(0));
  const { notifications, suspensions } = perThousandDays(watcher);
  return {
    bench: 'monitor', name: 'quality', kind: watcher.name === 'ours' ? 'ours' : 'peer', perSecond: watcher.name === 'ours' ? perSecond : 0,
    note: `${watcher.name}: blatant ${((hits / trials) * 100).toFixed(0)} % (${low}–${high}), ${notifications.toFixed(1)} notifications and ${suspensions.toFixed(1)} suspensions per 1,000 honest token-days`,
  };
}
