import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Meter } from '../process-cost.js';
import { median, type BenchOptions, type Row } from '../row.js';
import type { BenchIssuer } from './issuer-process.js';
import { load, post, type Load, type LoadFacts } from './load.js';

const connections = 64;

export interface Server {
  name: string;
  kind: Row['kind'];
  pid: number;
  note?: string;
  asked: Pick<LoadFacts, 'port' | 'requests' | 'status' | 'holds' | 'rate'>;
  /** Done each time before it is asked. */
  before?: () => Promise<void>;
}

/** Starts a program of this folder that says its port, and perhaps more. */
export async function program<More = object>(file: string, ...argv: string[]): Promise<{ process: ChildProcess; port: number; said: More }> {
  const process = fork(fileURLToPath(new URL(`./${file}.js`, import.meta.url)), argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [said] = (await once(process, 'message', { signal: AbortSignal.timeout(60_000) })) as [More & { port: number }];
  return { process, port: said.port, said };
}

/** Verification and introspection over HTTP, beside a bare server and a check of signed tokens, all under the same load. */
export async function overHttp(issuer: BenchIssuer, secrets: readonly string[], { quick, say }: BenchOptions, peers: readonly Server[]): Promise<Row[]> {
  const seconds = quick ? 2 : 6;
  const json = { 'content-type': 'application/json', authorization: issuer.basic };
  const verify = secrets.map((token) => post('/v1/tokens/verify', JSON.stringify({ token, scopes: ['orders:read'] }), json));
  const introspect = secrets.map((token) => post('/oauth2/introspect', `token=${token}`, { ...json, 'content-type': 'application/x-www-form-urlencoded' }));
  const port = Number(new URL(issuer.url).port);
  const bare = await program('bare-process', JSON.stringify(await issuer.post('/v1/tokens/verify', { token: secrets[0] }, issuer.basic)));
  const jwt = await program('jwt-process');
  const bearer = (await (await fetch(`http://127.0.0.1:${jwt.port}/token`)).json()) as { token: string };
  const bareNote = 'bare node:http, constant answer';
  const servers: Server[] = [
    { name: 'http verify', kind: 'ours', pid: issuer.pid, asked: { port, requests: verify, status: '200', holds: '"code":"VALID"' } },
    { name: 'http verify', kind: 'limit', pid: bare.process.pid as number, asked: { port: bare.port, requests: verify, status: '200', holds: 'VALID' }, note: bareNote },
    { name: 'http introspect', kind: 'ours', pid: issuer.pid, asked: { port, requests: introspect, status: '200', holds: '"active":true' } },
    { name: 'http introspect', kind: 'limit', pid: bare.process.pid as number, asked: { port: bare.port, requests: introspect, status: '200', holds: 'VALID' }, note: bareNote },
    { name: 'http verify, a JWT with jose ES256', kind: 'peer', pid: jwt.process.pid as number, asked: { port: jwt.port, requests: [post('/verify', JSON.stringify(bearer), json)], status: '200', holds: '"active":true' }, note: 'bare node:http' },
    ...peers,
  ];
  try {
    say(`http: in turns ${servers.length} servers`);
    const rows = await inTurns(servers, seconds);
    const peak = rows[0]?.perSecond ?? 0;
    const [half] = await inTurns([{ ...(servers[0] as Server), name: 'http verify at half the peak', asked: { ...(servers[0] as Server).asked, rate: peak / 2 } }], seconds);
    return [...rows, half as Row];
  } finally {
    bare.process.kill('SIGKILL');
    jwt.process.kill('SIGKILL');
  }
}

/** In turns, so that whatever else the machine does falls on all alike; the median round counts. */
export async function inTurns(servers: readonly Server[], seconds: number, rounds = 3): Promise<Row[]> {
  const results = servers.map((): { loads: Load[]; cpuUs: number[]; rssMb: number } => ({ loads: [], cpuUs: [], rssMb: 0 }));
  for (const { asked, before } of servers) {
    await before?.();
    await load({ ...asked, host: '127.0.0.1', connections, seconds: 1 });
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, { asked, pid, before }] of servers.entries()) {
      await before?.();
      const meter = new Meter(new Map([['server', pid]]));
      const result = await load({ ...asked, host: '127.0.0.1', connections, seconds });
      const cost = meter.read().get('server');
      results[i]?.loads.push(result);
      results[i]?.cpuUs.push((cost?.cpuUs ?? 0) / result.count);
      (results[i] as { rssMb: number }).rssMb = cost?.rssMb ?? 0;
    }
  }
  return servers.map(({ name, kind, note }, i) => {
    const { loads = [], cpuUs = [], rssMb } = results[i] ?? {};
    const of = (pick: (load: Load) => number) => median(loads.map(pick));
    return { bench: 'verify', name, kind, perSecond: of((one) => one.perSecond), p50Ms: of((one) => one.p50Ms), p99Ms: of((one) => one.p99Ms), cpuUsPerOp: median(cpuUs), rssMb, note };
  });
}
