import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Meter } from '../process-cost.js';
import type { BenchOptions, Row } from '../row.js';
import { fill } from './fill.js';
import { BenchIssuer, nodeFlags } from './issuer-process.js';
import { load, post } from './load.js';

const askedPerSecond = 500;

/** What a verification that memory cannot answer costs among so many live tokens: each read is one by primary keys. */
export async function atScale({ quick, say }: BenchOptions): Promise<Row[]> {
  const sizes = quick ? [1_000, 100_000] : [1_000, 1_000_000, ...(process.env.WRIT_BENCH_TOKENS ? [Number(process.env.WRIT_BENCH_TOKENS)] : [])];
  const rows: Row[] = [];
  for (const size of sizes) {
    say(`scale: ${size.toLocaleString('en')} live tokens`);
    let secrets: string[] = [];
    const issuer = await BenchIssuer.start(async () => ({ WRIT_CACHE_TOKENS: '1' }), async (bench, env) => {
      secrets = await fill(bench, env, size);
    });
    try {
      rows.push(await misses(issuer, secrets, size, quick));
    } finally {
      await issuer.stop();
    }
  }
  return [...rows, await memoryOf(quick ? 100_000 : 1_000_000, say)];
}

async function misses(issuer: BenchIssuer, secrets: readonly string[], size: number, quick: boolean): Promise<Row> {
  const headers = { 'content-type': 'application/json', authorization: issuer.basic };
  const requests = secrets.map((token) => post('/v1/tokens/verify', JSON.stringify({ token }), headers));
  const facts = { host: '127.0.0.1', port: Number(new URL(issuer.url).port), requests, connections: 8, status: '200', holds: '"code":"VALID"', rate: askedPerSecond };
  await load({ ...facts, seconds: quick ? 2 : 12 }); // Each token once.
  const meter = new Meter(new Map([['issuer', issuer.pid]]));
  const { perSecond, p50Ms, p99Ms, count } = await load({ ...facts, seconds: quick ? 4 : 12 });
  const cost = meter.read().get('issuer');
  return { bench: 'verify', name: `verify past memory, ${size.toLocaleString('en')} tokens`, kind: 'ours', perSecond, p50Ms, p99Ms, cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb, note: `read from PostgreSQL, at ${askedPerSecond}/s` };
}

/** What remembering so many tokens costs a replica, or a gateway's SDK: Redis holds hints only. */
async function memoryOf(count: number, say: (line: string) => void): Promise<Row> {
  say(`memory of ${count.toLocaleString('en')} tokens`);
  const child = fork(new URL('memory-process.js', import.meta.url), [String(count)], { execArgv: await nodeFlags() });
  const [{ size, grownMb }] = (await once(child, 'message')) as [{ size: number; grownMb: number }];
  return { bench: 'verify', name: `memory of ${size.toLocaleString('en')} tokens`, kind: 'ours', perSecond: 0, rssMb: grownMb, note: 'grown by; WRIT_CACHE_TOKENS bounds it, 100,000 by default' };
}
