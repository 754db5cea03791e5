import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import type { Service } from '@writ/service';
import { until } from '@writ/testing';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8' });
});
afterAll(() => issuing?.drop());

const sql = (text: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(text, values);
const basic = (clientId: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` });
const renew = async (name: string, body: object, groups = ['admins']) => issuing.post(issuer, `/v1/gateways/${name}/secret`, body, await issuing.bearer('root', groups));
const statusOf = async (gateway: Record<string, string>) => (await issuing.post(issuer, '/v1/tokens/verify', { token: 'writ_dev_none' }, gateway)).status;
const renewed = async (name: string, body: object) => {
  const answer = await renew(name, body);
  expect(answer.status).toBe(200);
  return basic(name, String(answer.body.clientSecret));
};

describe('a gateway’s secret', () => {
  it('is renewed without a call refused: both work while instances change over, then the new one alone', async () => {
    const old = await issuing.registerGateway(issuer, 'moving', ['orders']);
    const statuses: number[] = [];
    let changedOver = false;
    const load = (async () => { while (!changedOver) statuses.push(await statusOf(old)); })();
    const fresh = await renewed('moving', { overlap: 'PT2S' });
    for (let i = 0; i < 20; i++) expect(await statusOf(fresh)).toBe(200);
    changedOver = true;
    await load;
    expect(new Set(statuses)).toEqual(new Set([200]));
    await until(async () => (await statusOf(old)) === 401, 'the end of the old one', 15_000);
    expect(await statusOf(fresh)).toBe(200);
  });

  it('that was stolen ends at once where no overlap is asked for, and with it the one before', async () => {
    const first = await issuing.registerGateway(issuer, 'robbed', ['orders']);
    const second = await renewed('robbed', { overlap: 'P1D' });
    const third = await renewed('robbed', {});
    expect(await statusOf(third)).toBe(200);
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 401]);
  });

  it('lives no longer because somebody moved its end in the table (G10)', async () => {
    const old = await issuing.registerGateway(issuer, 'edited', ['orders']);
    const fresh = await renewed('edited', { overlap: 'PT1S' });
    await sql(`UPDATE gateway SET previous_ends_at = now() + interval '1 year' WHERE client_id = 'edited'`);
    expect([await statusOf(old), await statusOf(fresh)]).toEqual([401, 401]);
  });

  it('that is guessed by many at once takes one connection to the database, and leaves the others to everybody else (G11)', async () => {
    const right = await issuing.registerGateway(issuer, 'guessed', ['orders']);
    const lock = new Client({ connectionString: issuing.bench.database('issuer').adminUrl });
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE gateway IN ACCESS EXCLUSIVE MODE');
    const guesses = Array.from({ length: 40 }, (_, i) => statusOf(basic(i % 2 === 0 ? 'guessed' : `nobody-${i}`, `guess-${i}`)));
    const held = async () => (await sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).length;
    await until(async () => (await held()) > 0, 'the guesses');
    expect((await issuing.get(issuer, '/v1/tokens', await issuing.bearer('root', ['admins']))).status).toBe(200);
    expect(await held()).toBe(1);
    await lock.query('ROLLBACK');
    await lock.end();
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([401]));
    expect(await statusOf(right)).toBe(200);
  });

  it('counts for its own request alone, though others came over the same connection just before (G10)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const [mine, foreign] = [await issuing.registerGateway(issuer, 'mine', ['orders']), await issuing.registerGateway(issuer, 'foreign', ['billing'])];
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (headers: Record<string, string>) => new Promise<string>((resolve, reject) => {
      const call = request(`${issuer.url}/v1/tokens/verify`, { method: 'POST', agent, headers: { ...headers, 'content-type': 'application/json' } }, (answer) => {
        void text(answer).then((body) => resolve((JSON.parse(body) as { code: string }).code), reject);
      });
      call.once('error', reject).end(JSON.stringify({ token: secret }));
    });
    const almost = { authorization: (mine.authorization as string).replace(/.(=*)$/, (_, end: string) => `A${end}`) };
    const codes = [];
    for (const headers of [mine, mine, foreign, foreign, mine, {}, almost, mine]) codes.push(await ask(headers));
    agent.destroy();
    expect(codes).toEqual(['VALID', 'VALID', 'NOT_FOUND', 'NOT_FOUND', 'VALID', 'not-authenticated', 'not-authenticated', 'VALID']);
  });

  it('is renewed by administrators alone, for gateways that exist, for a week at most', async () => {
    await issuing.registerGateway(issuer, 'kept', ['orders']);
    expect((await renew('kept', {}, ['reviewers'])).status).toBe(403);
    expect((await renew('nobody', {})).status).toBe(404);
    for (const overlap of ['P8D', 'PT0S', 'soon', 5]) expect((await renew('kept', { overlap })).status).toBe(400);
  });
});

it('whoever burns too much behind a proxy that we trust has others behind it burn on, but no neighbour of the same /64 (G11)', async () => {
  const burn = async (source: string) => (await issuing.post(issuer, '/v1/burn', { token: 'junk' }, { 'x-forwarded-for': source })).status;
  for (const [crowd, neighbour, other] of [['192.0.2.1', '192.0.2.1', '192.0.2.2'], ['2001:db8::1', '2001:db8::2', '2001:db8:0:1::1']] as const) {
    expect(await Promise.all(Array.from({ length: 80 }, () => burn(crowd)))).toContain(429);
    // Several, because a try comes back five times a second, and a busy machine may be slower than that.
    expect(await Promise.all(Array.from({ length: 40 }, () => burn(neighbour)))).toContain(429);
    expect(await burn(other)).toBe(204);
  }
});

it('a gateway that cannot prove who it is uses up its own share behind a proxy that we trust, and nobody else’s (G11)', async () => {
  const careful = await issuing.start({ WRIT_TRUSTED_PROXIES: '127.0.0.1', WRIT_FAILURES_PER_SECOND: '1' });
  for (const [i, door] of ['/v1/tokens/verify', '/v1/tokens/verify-batch'].entries()) {
    const fail = async (net: string) => (await issuing.post(careful, door, {}, { ...basic('nobody', 'x'), 'x-forwarded-for': `${net}.${i}` })).status;
    const statuses = await Promise.all(Array.from({ length: 40 }, () => fail('192.0.2')));
    expect(statuses).toContain(401);
    expect(statuses).toContain(429);
    expect(await fail('198.51.100')).toBe(401);
  }
});

it('a source that keeps failing to name a known gateway is told to wait at every door, and one that names it is answered from there (G11)', async () => {
  const impatient = await issuing.start({ WRIT_FAILURES_PER_SECOND: '1' });
  const { authorization: right } = await issuing.registerGateway(impatient, 'patient', ['orders']);
  const { secret } = await issuing.claimed(impatient);
  const ask = (path: string, body: object | undefined, credentials: string) => fetch(impatient.url + path, body === undefined
    ? { headers: { 'x-writ-gateway-authorization': credentials, authorization: `Bearer ${secret}` } }
    : { method: 'POST', headers: { authorization: credentials, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const doors: [string, object | undefined, number, number][] = [
    ['/v1/tokens/verify', { token: secret }, 429, 200], ['/oauth2/introspect', { token: secret }, 429, 200], ['/v1/tokens/verify-batch', { tokens: [{ token: secret }] }, 429, 200],
    ['/v1/fleet/verifiers', { name: 'patient', leaseMs: 800 }, 429, 201], ['/v1/forward-auth', undefined, 403, 204], ['/v1/forward-auth?limited=429', undefined, 429, 204], ['/v1/ext-authz/orders', undefined, 429, 200],
  ];
  for (const [path, body, later, passes] of doors) {
    const failed = await Promise.all(Array.from({ length: 40 }, () => ask(path, body, 'Basic eDp5')));
    expect([path, ...new Set(failed.map(({ status }) => status))]).toEqual(expect.arrayContaining([path, later]));
    const told = failed.filter(({ status }) => status !== 401);
    expect([path, ...new Set(told.map(({ status, headers }) => `${status} ${headers.get('x-writ-code')} ${/^[1-9]\d*$/.test(headers.get('retry-after') ?? '')}`))]).toEqual([path, `${later} ${body === undefined ? 'RATE_LIMITED' : null} true`]);
    expect([path, (await ask(path, body, right as string)).status]).toEqual([path, passes]);
  }
});
