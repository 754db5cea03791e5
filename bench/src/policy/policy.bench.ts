import { canonicalJson } from '@writ/contracts';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { canonicalFacts, createDecider, simulateOnThread, type Decider, type PolicyFacts } from '@writ/policy';
import { quantile, withRatios, type BenchOptions, type Row } from '../row.js';
import { ask, prepare, questionsOf } from './bare.js';
import { draftOf, fiftyRules, loaded, requests } from './sets.js';

interface Measured { perSecond: number; cpuUsPerOp: number }

/** How often each of the two is measured, in turn, so that a busy machine is unfair to neither. */
const rounds = 9;
const inFlight = 64;

export async function bench(options: BenchOptions): Promise<Row[]> {
  const decider = createDecider();
  await decider.activate(fiftyRules());
  prepare(loaded(fiftyRules()), 'active');
  prepare(loaded(draftOf(fiftyRules())), 'draft');
  try {
    return withRatios([...(await decide(decider, options)), ...(await decideAgain(decider, options)), ...(await simulate(options))]);
  } finally {
    await decider.close();
  }
}

async function decide(decider: Decider, { quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 700 : 4_000;
  say(`decide: ${rounds} × ${count} different requests under fifty rules, beside the engine's three bare calls`);
  const set = loaded(fiftyRules());
  const ours: Measured[] = [];
  const bare: Measured[] = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  for (let round = 0; round <= rounds; round++) {
    const facts = requests(count, round * count);
    const asked = questionsOf(set, facts);
    loop.enable();
    const our = await measure(count, () => inParallel(facts, (each) => decider.decide(each)));
    loop.disable();
    const limit = await measure(count, () => asked.forEach((request) => ask('active', request)));
    if (round === 0) continue; // It warmed both up.
    ours.push(our);
    bare.push(limit);
  }
  const waits = await latencies(decider, requests(quick ? 1_000 : 5_000, (rounds + 1) * count));
  return [
    { ...row('decide', 'ours', ours), p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99), note: `on its thread; the event loop waited ${(loop.percentile(99) / 1e6).toFixed(1)} ms at p99` },
    { ...row('decide', 'limit', bare), note: 'three bare Cedar calls' },
  ];
}

/** How long one caller waits, who asks the next only after the answer. */
async function latencies(decider: Decider, facts: readonly PolicyFacts[]): Promise<number[]> {
  const waits: number[] = [];
  for (const each of facts) {
    const begun = performance.now();
    await decider.decide(each);
    waits.push(performance.now() - begun);
  }
  return waits;
}

async function decideAgain(decider: Decider, { quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 30_000 : 200_000;
  say(`decide again: ${rounds} × ${count} requests of a thousand kinds`);
  const kinds = requests(1_000, 900_000);
  await inParallel(kinds, (each) => decider.decide(each));
  const facts = Array.from({ length: count }, (_, i) => kinds[i % kinds.length] as PolicyFacts);
  const known = new Map(kinds.map((each) => [canonicalJson(canonicalFacts(each)), each]));
  const ours: Measured[] = [];
  const bare: Measured[] = [];
  for (let round = 0; round <= rounds; round++) {
    const our = await measure(count, () => inParallel(facts, (each) => decider.decide(each)));
    const limit = await measure(count, () => facts.forEach((each) => known.get(canonicalJson(canonicalFacts(each)))));
    if (round === 0) continue;
    ours.push(our);
    bare.push(limit);
  }
  return [row('decide again', 'ours', ours), { ...row('decide again', 'limit', bare), note: 'a canonical key and a look into a Map' }];
}

async function simulate({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 5_000 : 100_000;
  say(`simulate: ${count} requests of the past, under two sets`);
  const files = fiftyRules();
  const facts = requests(count, 2_000_000);
  const asked = questionsOf(loaded(files), facts.slice(0, Math.min(count, 10_000)));
  const past = facts.map((each, i) => ({ requestId: `req-${i}`, facts: each }));
  const our = await measure(count, async () => { await simulateOnThread({ active: files, draft: draftOf(files), requests: [past] }); });
  const limit = await measure(asked.length, () => asked.forEach((request) => { ask('active', request); ask('draft', request); }));
  return [
    { ...row('simulate', 'ours', [our]), note: `100,000 in ${Math.round(100_000 / our.perSecond)} s; requests that no rule tells apart are decided once` },
    { ...row('simulate', 'limit', [limit]), note: 'six bare Cedar calls' },
  ];
}

async function measure(count: number, work: () => void | Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuUsPerOp: (user + system) / count };
}

/** Asks for many at once, as a batch of messages does. */
async function inParallel(facts: readonly PolicyFacts[], work: (facts: PolicyFacts) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: inFlight }, async () => {
    for (let i = next++; i < facts.length; i = next++) await work(facts[i] as PolicyFacts);
  }));
}

function row(name: string, kind: Row['kind'], measured: readonly Measured[]): Row {
  const middle = (of: (one: Measured) => number) => quantile(measured.map(of), 0.5);
  return { bench: 'policy', name, kind, perSecond: middle((one) => one.perSecond), cpuUsPerOp: middle((one) => one.cpuUsPerOp), rssMb: process.memoryUsage().rss / 1_048_576 };
}
