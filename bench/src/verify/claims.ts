import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { Meter } from '../process-cost.js';
import { quantile, type BenchOptions, type Row } from '../row.js';
import { issuerProgram, type BenchIssuer } from './issuer-process.js';
import { rateOf } from './sdk.js';

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

/** Making secrets, on one core. */
export async function minting({ quick, say }: BenchOptions): Promise<Row> {
  say('mint');
  const { mintFresh } = (await import(issuerProgram('tokens/secret.store.js').href)) as { mintFresh(environment: string): unknown };
  const perSecond = await rateOf(quick ? 2 : 6, () => mintFresh('prod'));
  return { bench: 'verify', name: 'mint', kind: 'ours', perSecond, cpuUsPerOp: 1e6 / perSecond, note: 'random bytes, form and checksum' };
}

/** From approved requests on the bus to tokens whose secrets are sealed to a registered key, committed. */
export async function sealed(issuer: BenchIssuer, { quick, say }: BenchOptions): Promise<Row> {
  const count = quick ? 2_000 : 10_000;
  say(`sealed deliveries: ${count}`);
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const delivery = { delivery: { mode: 'sealed' as const, keyId: 'k1' }, deliveryKeyThumbprint: await calculateJwkThumbprint(jwk as never), deliveryKey: jwk as Record<string, unknown> };
  await issuer.say(issuer.approved(200, delivery));
  const all = issuer.approved(count, delivery);
  const meter = new Meter(new Map([['issuer', issuer.pid]]));
  const begun = performance.now();
  await issuer.say(all);
  const perSecond = count / ((performance.now() - begun) / 1_000);
  const cost = meter.read().get('issuer');
  return { bench: 'verify', name: 'sealed delivery', kind: 'ours', perSecond, cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb, note: 'request and approval over the bus, checked, issued, sealed; signed beforehand, said one by one' };
}
