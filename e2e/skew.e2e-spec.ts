import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { basic, serviceNames, writAs, type ServiceUrls, type Writ } from '@writ/client';
import type { LogEntry, RequestAnswer, ReviewAnswer, RotationAnswer, TokenView, Verification } from '@writ/contracts';
import { startPlatform, type Platform, type Reporter } from '../scripts/platform/platform.mjs';
import { runWalk } from '../scripts/platform/walk.mjs';
import { until, wish } from './platform.js';
import { activate, sampleWith } from './policy-sets.js';
import { restlessPeriodMs, restlessWords } from './rotating-client.js';

const days = 2 * 86_400_000;
const toleranceMs = 100;
/** All of them wrong at once, each other one the other way; the soak has each wrong alone, both ways. */
const together = { request: days, policy: -days, issuer: days, rotation: -days, audit: days, monitor: -days, signer: days };
const alone = Object.keys(together).flatMap((name) => [{ [name]: days }, { [name]: -days }]);
const skews: Record<string, number>[] = process.env.WRIT_SOAK === '1' ? [together, ...alone] : [together];

const folder = join(import.meta.dirname, '../.writ/e2e-skew');
const said: string[] = [];
const reporter: Reporter = { line: (text = '') => { said.push(text); }, step: async (_label, work) => work({ note: () => undefined }) };

let platform: Platform | undefined;
async function start(clockSkewMs: Record<string, number>): Promise<Platform> {
  platform = await startPlatform({ dir: join(folder, '.writ'), name: 'e2e-skew', reporter, fresh: true, clockSkewMs });
  return platform;
}
afterEach(async () => {
  await platform?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function doorsOf({ env }: Platform): { as: (part: string) => Writ; verify: (token: string) => Promise<Verification> } {
  const urls = Object.fromEntries(serviceNames.map((name) => [name, env[`WRIT_${name.toUpperCase()}_URL`]])) as ServiceUrls;
  const gateway = writAs(urls, basic(env.WRIT_GATEWAY_CLIENT_ID as string, env.WRIT_GATEWAY_CLIENT_SECRET as string));
  return {
    as: (part) => writAs(urls, `Bearer ${env[`WRIT_${part.toUpperCase()}_TOKEN`]}`),
    verify: (token) => gateway.issuer.post<Verification>('/v1/tokens/verify', { body: { token, audience: 'orders' } }),
  };
}

type Doors = ReturnType<typeof doorsOf>;

/** A token that policy gives by itself, claimed. */
async function fresh({ as }: Doors, ttl: string): Promise<{ tokenId: string; secret: string; expiresAt: string }> {
  const requester = as('requester');
  const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ ttl }) });
  const { tokenId } = await until('the token', async () => { const answer = await requester.request.get<RequestAnswer>(`/v1/requests/${requestId}`); return answer.tokenId !== undefined && answer; });
  return { tokenId: tokenId as string, ...(await requester.issuer.post<{ secret: string; expiresAt: string }>(`/v1/tokens/${tokenId}/claim`)) };
}

/** A token that ends soon. */
async function expire(doors: Doors): Promise<void> {
  const { verify } = doors;
  const requester = doors.as('requester');
  const { tokenId, secret, expiresAt } = await fresh(doors, 'PT6S');
  for (;;) {
    const { code } = await verify(secret);
    if (Date.now() > Date.parse(expiresAt) - toleranceMs) break;
    expect(code).toBe('VALID'); // It was answered before the end.
  }
  await until('its expiry', async () => (await verify(secret)).code === 'EXPIRED', 3_000);
  expect(Date.now()).toBeGreaterThan(Date.parse(expiresAt) - toleranceMs);
  await until('its state', async () => (await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`)).state === 'expired');
}

/** A token that people must agree to, and its rotation. */
async function rotate({ as, verify }: Doors): Promise<void> {
  const requester = as('requester');
  const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'PT8H' }) });
  const status = async () => (await requester.request.get<RequestAnswer>(`/v1/requests/${requestId}`));
  await until('the review', async () => (await status()).status === 'held');
  for (const part of ['reviewer', 'reviewer2']) {
    await until(`${part}'s vote`, () => as(part).policy.post<ReviewAnswer>(`/v1/reviews/${requestId}/votes`, { body: { vote: 'approve', reason: 'known job' } }).catch((error: { status?: number }) => {
      if (error.status === 404) return undefined;
      throw error;
    }));
  }
  const { tokenId } = await until('the token', async () => { const answer = await status(); return answer.tokenId !== undefined && answer; });
  const claim = (body: object) => requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`, { body });
  const { secret: old } = await claim({});
  expect((await verify(old)).code).toBe('VALID');
  const { rotationId } = await until('rotation to know the token', () => requester.rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body: {} }).catch(() => undefined));
  await until('the successor', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'claimable');
  const { secret } = await claim({ rotationId });
  expect([(await verify(old)).code, (await verify(secret)).code]).toEqual(['VALID', 'VALID']);
  await until('the first use to be known', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'used');
  await requester.rotation.post(`/v1/rotations/${rotationId}/force`, { body: { reason: 'enough' } });
  await until('the end of the old secret', async () => (await verify(old)).code === 'REVOKED');
  expect((await verify(secret)).code).toBe('VALID');
}

/** A token whose owner is told an hour before its end, seconds after its issue. */
async function tell(doors: Doors): Promise<void> {
  const { tokenId, expiresAt } = await fresh(doors, 'PT1H3S');
  const told = await until('the notice', async () => {
    const { items } = await doors.as('auditor').audit.get<{ items: LogEntry[] }>('/v1/entries', { query: { type: 'token.expiring', token: tokenId } });
    return items[0];
  });
  expect(Date.now()).toBeGreaterThan(Date.parse(expiresAt) - 3_600_000 - toleranceMs);
  expect(told.leaf).toContain('"leadTime":"PT1H"');
}

/** A token that the calendar rotates by itself. */
async function restless(doors: Doors): Promise<void> {
  const requester = doors.as('requester');
  const begun = Date.now();
  const { tokenId } = await fresh(doors, 'P1D');
  const rotation = await until('the rotation', async () => {
    const { items } = await requester.rotation.get<{ items: RotationAnswer[] }>(`/v1/tokens/${tokenId}/rotations`).catch(() => ({ items: [] }));
    return items.find(({ state }) => state === 'claimable');
  });
  expect(rotation.cause).toBe('scheduled');
  expect(Date.parse(rotation.startedAt)).toBeGreaterThan(begun + 0.9 * restlessPeriodMs - toleranceMs);
  const { secret } = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`, { body: { rotationId: rotation.rotationId } });
  expect((await doors.verify(secret)).code).toBe('VALID');
}

/** A request that nobody decides on. */
async function lapse({ as }: Doors): Promise<void> {
  const requester = as('requester');
  const begun = Date.now();
  const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'PT8H' }) });
  await until('the request to lapse', async () => (await requester.request.get<RequestAnswer>(`/v1/requests/${requestId}`)).status === 'lapsed');
  expect(Date.now()).toBeGreaterThan(begun + 3_000 - toleranceMs);
}

describe.each(skews)('clocks that are wrong by %j milliseconds', (skew) => {
  it('change nothing in a request’s whole life, from the vote to the proof, nor when a token expires, rotates or is told to end, nor when a request lapses (G2, G5, G6, G7)', async () => {
    const running = await start(skew);
    const doors = doorsOf(running);
    await Promise.all([runWalk(running, reporter), rotate(doors), expire(doors), tell(doors)]);
    expect(said.splice(0).join('\n')).toMatch(/REVOKED after[^]*the log is intact/);
    await activate(sampleWith({ ...restlessWords, '@sla("PT4H")': '@sla("PT3S")' }), doors.as);
    await Promise.all([restless(doors), lapse(doors)]);
  }, 300_000);
});
