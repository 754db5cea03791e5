import { setTimeout as sleep } from 'node:timers/promises';
import { startPlatform } from '../platform.js';
import { leaks } from './leak.js';
import { quantile, type BenchOptions, type Row } from '../row.js';

const patienceMs = 30_000;

/** From the first use of a thief's burst to the first refusal at the gateway, through all services as they are deployed. */
export async function refusal({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 3 : 20;
  say(`detect to refusal: the platform starts, then ${count} thefts`);
  const platform = await startPlatform(say);
  try {
    const delays: number[] = [];
    const secrets: string[] = [];
    for (let i = 0; i < count; i++) secrets.push(await obtain(platform.env, `svc:bench-${i}`)); // An owner with an incident must wait for a human.
    for (const secret of secrets) delays.push(await theft(platform.env, secret));
    const found = await leaks(platform, quick ? 3 : 20, say);
    return [{
      bench: 'monitor', name: 'detect to refusal', kind: 'ours', perSecond: 1_000 / quantile(delays, 0.5), p50Ms: quantile(delays, 0.5), p99Ms: quantile(delays, 0.99),
      note: `${count} thefts: from the first stolen use to the first refusal, reporting of use included`,
    }, ...found];
  } finally {
    await platform.stop();
  }
}

async function theft(env: Record<string, string>, secret: string): Promise<number> {
  for (let i = 0; i < 10; i++) await verify(env, secret, '198.51.100.7', 'billing/1');
  await sleep(3_000); // The owner's use is reported, and known before the thief's.
  const startedAt = performance.now();
  for (;;) {
    const codes = await Promise.all(Array.from({ length: 50 }, () => verify(env, secret, '203.0.113.9', 'curl/8')));
    const elapsed = performance.now() - startedAt;
    if (codes.includes('SUSPENDED')) return elapsed;
    if (elapsed > patienceMs) throw new Error(`A theft was not stopped within ${patienceMs / 1000} s.`);
  }
}

export async function obtain(env: Record<string, string>, owner: string): Promise<string> {
  const body = { requester: { id: owner, team: 'orders' }, reason: 'a bench of thefts', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' } };
  const bearer = { authorization: `Bearer ${env.WRIT_REQUESTER_TOKEN ?? ''}` };
  const { requestId } = await call<{ requestId: string }>(`${env.WRIT_REQUEST_URL}/v1/requests`, bearer, body);
  let seen = '';
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(50)) {
    const { tokenId, status } = await call<{ tokenId?: string; status: string }>(`${env.WRIT_REQUEST_URL}/v1/requests/${requestId}`, bearer);
    seen = status;
    if (tokenId) return (await call<{ secret: string }>(`${env.WRIT_ISSUER_URL}/v1/tokens/${tokenId}/claim`, bearer, {})).secret;
  }
  throw new Error(`The token was not issued in time: its request is ${seen}.`);
}

async function verify(env: Record<string, string>, token: string, address: string, agent: string): Promise<string> {
  const credentials = Buffer.from(`${encodeURIComponent(env.WRIT_GATEWAY_CLIENT_ID ?? '')}:${encodeURIComponent(env.WRIT_GATEWAY_CLIENT_SECRET ?? '')}`).toString('base64');
  return (await call<{ code: string }>(`${env.WRIT_ISSUER_URL}/v1/tokens/verify`, { authorization: `Basic ${credentials}` }, { token, audience: 'orders', scopes: ['orders:read'], address, agent })).code;
}

export async function call<Answer>(url: string, headers: Record<string, string>, body?: object): Promise<Answer> {
  const answer = await fetch(url, { method: body ? 'POST' : 'GET', headers: { ...headers, 'content-type': 'application/json' }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(patienceMs) });
  if (!answer.ok) throw new Error(`${new URL(url).pathname} answered ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
  return (await answer.json()) as Answer;
}
