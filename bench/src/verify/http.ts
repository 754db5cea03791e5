import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Meter } from '../process-cost.js';
import type { BenchOptions, Row } from '../row.js';
import type { BenchIssuer } from './issuer-process.js';
import { load, post, type LoadFacts } from './load.js';

const connections = 64;
type Asked = Omit<LoadFacts, 'seconds' | 'connections' | 'host'>;

/** Verification and introspection over HTTP, beside a bare server under the same load. */
export async function overHttp(issuer: BenchIssuer, secrets: readonly string[], { quick, say }: BenchOptions): Promise<Row[]> {
  const seconds = quick ? 3 : 8;
  const example = JSON.stringify(await issuer.post('/v1/tokens/verify', { token: secrets[0] }, issuer.basic));
  const json = { 'content-type': 'application/json', authorization: issuer.basic };
  const verify = secrets.map((token) => post('/v1/tokens/verify', JSON.stringify({ token, scopes: ['orders:read'] }), json));
  const introspect = secrets.map((token) => post('/oauth2/introspect', `token=${token}`, { ...json, 'content-type': 'application/x-www-form-urlencoded' }));
  const port = Number(new URL(issuer.url).port);
  const bare = fork(fileURLToPath(new URL('./bare-process.js', import.meta.url)), [example], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ port: barePort }] = (await once(bare, 'message')) as [{ port: number }];
  const rows: Row[] = [];
  const measure = async (name: string, kind: Row['kind'], pid: number, asked: Asked, note?: string) => {
    say(`${name}, ${kind}`);
    await load({ ...asked, host: '127.0.0.1', connections, seconds: 1 });
    const meter = new Meter(new Map([['server', pid]]));
    const { perSecond, p50Ms, p99Ms, count } = await load({ ...asked, host: '127.0.0.1', connections, seconds });
    const cost = meter.read().get('server');
    rows.push({ bench: 'verify', name, kind, perSecond, p50Ms, p99Ms, cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb, note });
    return perSecond;
  };
  try {
    const peak = await measure('http verify', 'ours', issuer.pid, { port, requests: verify, status: '200', holds: '"code":"VALID"' });
    await measure('http verify', 'limit', bare.pid as number, { port: barePort, requests: verify, status: '200', holds: 'VALID' }, 'bare node:http, constant answer');
    await measure('http introspect', 'ours', issuer.pid, { port, requests: introspect, status: '200', holds: '"active":true' });
    await measure('http introspect', 'limit', bare.pid as number, { port: barePort, requests: introspect, status: '200', holds: 'VALID' }, 'bare node:http, constant answer');
    await measure('http verify at half the peak', 'ours', issuer.pid, { port, requests: verify, status: '200', holds: '"code":"VALID"', rate: peak / 2 });
  } finally {
    bare.kill('SIGKILL');
  }
  return rows;
}
