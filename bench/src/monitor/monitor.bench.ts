import { withRatios, type BenchOptions, type Row } from '../row.js';
import { simpleWatchers } from './baselines.js';
import { frozenHash, generatorHash, reportingSeeds, strangeHash, strangeSeeds } from './frozen.js';
import { families, traffic, type Slot } from './generator.js';
import { ingest } from './ingest.js';
import { judge, watch, type Watched } from './quality.js';
import { latency } from './latency.js';
import { memory } from './memory.js';
import { refusal } from './refusal.js';
import { falseWords, found, perThousandDays, reportOf, type Watcher } from './report.js';
import { rollUp } from './roll-up.js';
import { strangeFamilies, strangeTraffic } from './transfer.js';
import { wilson } from './wilson.js';

const parts = { quality, transfer, ingest, 'roll-up': rollUp, memory, latency, refusal };

/** Quality on seeds that nobody tuned on, and on traffic of another making, beside two simple watchers; then speed. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, part] of Object.entries(parts)) if (options.parts?.includes(name) ?? true) rows.push(...(await part(options)));
  return withRatios(rows);
}

/** The traffic that detectors were made with, on seeds that they were not made with. */
export async function quality(options: BenchOptions): Promise<Row[]> {
  if (generatorHash() !== frozenHash) throw new Error('The traffic generator is not the frozen one: results would not mean what they say.');
  const size = options.quick ? { honest: 40, perFamily: 4 } : { honest: 100, perFamily: 15 };
  return held('quality', { families, hash: frozenHash, seeds: reportingSeeds, traffic: (seed) => traffic(seed, size) }, options);
}

/** Traffic that no detector was made with. */
export async function transfer(options: BenchOptions): Promise<Row[]> {
  if (generatorHash('transfer') !== strangeHash) throw new Error('The strange traffic is not the frozen one: results would not mean what they say.');
  const size = options.quick ? { honest: 24, perFamily: 4 } : { honest: 64, perFamily: 12 };
  return held('transfer', { families: strangeFamilies, hash: strangeHash, seeds: strangeSeeds, traffic: (seed) => strangeTraffic(seed, size) }, options);
}

interface Trial {
  families: Readonly<Record<string, string>>;
  hash: string;
  seeds: readonly number[];
  traffic: (seed: number) => { subjects: Watched[]; slots: () => Generator<Slot> };
}

async function held(name: string, { families: kinds, hash, seeds, traffic: trafficOf }: Trial, { quick, say }: BenchOptions): Promise<Row[]> {
  const ours: Watcher = { name: 'ours', judged: [] };
  const limit: Watcher = { name: 'fixed limit', judged: [] };
  const first: Watcher = { name: 'first-seen network', judged: [] };
  let records = 0;
  let seconds = 0;
  const chosen = quick ? seeds.slice(0, 1) : seeds;
  for (const seed of chosen) {
    const { subjects, slots } = trafficOf(seed);
    const watched = await watch(seed, { subjects, slots }, say);
    records += watched.records;
    seconds += watched.seconds;
    ours.judged.push(judge(subjects, watched.verdicts));
    const { fixedLimit, firstSeen } = simpleWatchers(slots);
    limit.judged.push(judge(subjects, fixedLimit));
    first.judged.push(judge(subjects, firstSeen));
  }
  process.stdout.write(`\n${name}\n${reportOf(kinds, ours, [limit, first])}\n${falseWords(ours)}\ntraffic ${hash.slice(0, 12)}, seeds ${chosen.join(', ')}\n`);
  return [ours, limit, first].map((watcher) => rowOf(name, kinds, watcher, records / seconds));
}

function rowOf(name: string, kinds: Readonly<Record<string, string>>, watcher: Watcher, perSecond: number): Row {
  const blatant = Object.keys(kinds).filter((family) => kinds[family] === 'blatant').map((family) => found(watcher, family));
  const hits = blatant.reduce((sum, one) => sum + one.hits, 0);
  const trials = blatant.reduce((sum, one) => sum + one.trials, 0);
  const [low, high] = wilson(hits, trials).map((share) => (share * 100).toFixed(0));
  const { notifications, suspensions } = perThousandDays(watcher);
  return {
    bench: 'monitor', name, kind: watcher.name === 'ours' ? 'ours' : 'peer', perSecond: watcher.name === 'ours' ? perSecond : 0,
    note: `${watcher.name}: blatant ${((hits / trials) * 100).toFixed(0)} % (${low}–${high}), ${notifications.toFixed(1)} notifications and ${suspensions.toFixed(1)} suspensions per 1,000 honest token-days`,
  };
}
