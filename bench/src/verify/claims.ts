import { Meter } from '../process-cost.js';
import { quantile, type BenchOptions, type Row } from '../row.js';
import type { BenchIssuer } from './issuer-process.js';

const atOnce = 16;

/** Claims over HTTP, each its own transaction with fsync. @returns the secrets too */
export async function claims(issuer: BenchIssuer, ids: readonly string[], { say }: BenchOptions): Promise<{ row: Row; secrets: string[] }> {
  say(`claim: ${ids.length} tokens`);
  const secrets: string[] = [];
  const latencies: number[] = [];
  const waiting = [...ids];
  const meter = new Meter(new Map([['issuer', issuer.pid]]));
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const before = performance.now();
      secrets.push(await issuer.claim(id));
      latencies.push(performance.now() - before);
    }
  }));
  const seconds = (performance.now() - begun) / 1_000;
  const cost = meter.read().get('issuer');
  const row: Row = {
    bench: 'verify', name: 'claim', kind: 'ours', perSecond: ids.length / seconds, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99),
    cpuUsPerOp: (cost?.cpuUs ?? 0) / ids.length, rssMb: cost?.rssMb,
  };
  return { row, secrets };
}
