import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, InjectOptions, RouteOptions } from 'fastify';
import { Redis } from 'ioredis';
import { createLog } from '@writ/process';
import { backingUrls, TestIdentity } from '@writ/testing';
import { readConsoleConfig } from '../src/config.js';
import { createConsole } from '../src/console.module.js';
import { operations, routeOf } from '../src/operations.js';
import { nameOf, newSecret } from '../src/sealing.js';
import { csrfOf } from '../src/session.controller.js';
import { Sessions } from '../src/sessions.store.js';

const key = randomBytes(32);
const [crowd, home] = ['192.0.2.7', '192.0.2.8'];
const open: { close(): Promise<unknown> }[] = [];
let identity: TestIdentity;
/** The codes that the provider was asked about. */
let codes = 0;
let person: string;
let signedIn: (sub: string) => Promise<string>;

beforeAll(async () => {
  identity = await TestIdentity.start();
  const { issuer } = identity;
  identity.answer = (path) => {
    if (path !== '/token') return { status: 200, body: { issuer, jwks_uri: `${issuer}/jwks`, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` } };
    codes += 1;
    return { status: 400, body: { error: 'invalid_grant' } };
  };
  const sessions = new Sessions(backingUrls().redis, key, { idleSeconds: 600, seconds: 600 }, () => undefined);
  open.push(sessions);
  signedIn = (sub) => sessions.open({ person: { sub, iss: issuer }, accessToken: 'at', idToken: 'it' }, 600);
  person = await signedIn('alice');
});
afterAll(async () => {
  for (const each of open) await each.close();
  await identity.stop();
});

/** A console that lets one address fail once a second, and twenty times at once. Nothing answers behind it. */
function consoleOf(more: Record<string, string> = {}): FastifyInstance {
  const services = Object.fromEntries(['REQUEST', 'POLICY', 'ISSUER', 'ROTATION', 'AUDIT', 'MONITOR'].map((name) => [`WRIT_${name}_URL`, 'http://127.0.0.1:9']));
  const server = createConsole(readConsoleConfig({
    WRIT_HTTP_PORT: '0', WRIT_CONSOLE_URL: 'http://127.0.0.1:4000', WRIT_CONSOLE_KEY: key.toString('base64'), WRIT_REDIS_URL: backingUrls().redis, WRIT_PLAIN_HOSTS: new URL(backingUrls().redis).hostname, WRIT_OIDC_ISSUER: identity.issuer,
    WRIT_OIDC_CLIENT_SECRET: 'shared', WRIT_FAILURES_PER_SECOND: '1', ...services, ...more,
  }), createLog('console', 'silent'));
  open.push(server);
  return server;
}

const asSession = (id: string) => ({ cookie: `__Host-writ-session=${id}` });
const knock = (server: FastifyInstance, url: string, remoteAddress: string, headers: InjectOptions['headers'] = {}) => server.inject({ url, remoteAddress, headers });
const often = <Answer>(ask: () => Promise<Answer>) => Promise.all(Array.from({ length: 60 }, ask));

describe('a stranger before the console', () => {
  it.each([
    ['made-up cookies', '/api/issuer/v1/tokens', () => asSession(newSecret()), 401],
    ['made-up cookies of the page', '/auth/me', () => asSession(newSecret()), 200],
    ['no cookie', '/api/issuer/v1/tokens', () => ({}), 401],
  ])('is told to wait after too many calls with %s, and whoever is signed in is answered, there and elsewhere (G11)', async (_, url, headers, status) => {
    const server = consoleOf();
    const answers = await often(() => knock(server, url, crowd, headers()));
    const late = answers.filter(({ statusCode }) => statusCode === 429);
    expect(answers.filter(({ statusCode }) => statusCode === status).length).toBeGreaterThanOrEqual(20);
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([status, 429]));
    expect(late[0]?.headers).toMatchObject({ 'retry-after': expect.stringMatching(/^[1-9]\d*$/), 'content-type': expect.stringContaining('application/problem+json') });
    expect(late[0]?.json()).toMatchObject({ status: 429, code: 'rate-limited', remedy: expect.stringMatching(/^Try again in \d+ s\.$/) });
    for (const address of [crowd, home]) expect((await knock(server, '/auth/me', address, asSession(person))).json()).toMatchObject({ signedIn: true, sub: 'alice' });
    expect((await knock(server, url, home, headers())).statusCode).toBe(status);
  });

  it('who begins too many sign-ins is shown the page that says so, and no provider; others go there, and who is signed in may step up from the same address (G11)', async () => {
    const server = consoleOf();
    const places = (await often(() => knock(server, '/auth/login', crowd))).map(({ headers }) => headers.location as string);
    expect(places.filter((place) => place.startsWith(`${identity.issuer}/authorize?`)).length).toBeGreaterThanOrEqual(20);
    expect(places.at(-1)).toBe('/?problem=too-many');
    expect((await knock(server, '/auth/login', home)).headers.location).toContain('/authorize?');
    expect((await knock(server, '/auth/step-up', crowd, asSession(person))).headers.location).toContain('/authorize?');
  });

  it('who comes back with made-up codes costs the provider no more questions than their budget, and may come back with their sign-in later (G11)', async () => {
    const server = consoleOf();
    const begun = await knock(server, '/auth/login', home);
    const headers = { cookie: String(begun.headers['set-cookie']).split(';')[0] };
    const { state } = Object.fromEntries(new URL(begun.headers.location as string).searchParams) as { state: string };
    codes = 0;
    const answers = await often(() => knock(server, `/auth/callback?code=made-up&state=${state}&iss=${encodeURIComponent(identity.issuer)}`, crowd, headers));
    const refused = answers.filter(({ headers: { location } }) => location === '/?problem=too-many');
    expect([answers.length - refused.length, refused[0]?.headers['set-cookie']]).toEqual([codes, undefined]);
    expect(codes).toBeGreaterThanOrEqual(20);
    expect(codes).toBeLessThan(60);
  });

  it('is told by what a trusted proxy says of them, and by nothing that others say (G11)', async () => {
    const server = consoleOf({ WRIT_TRUSTED_PROXIES: '10.0.0.0/8' });
    const from = (proxy: string, address: string) => knock(server, '/api/issuer/v1/tokens', proxy, { 'x-forwarded-for': address });
    expect(new Set((await often(() => from('10.1.2.3', crowd))).map(({ statusCode }) => statusCode))).toEqual(new Set([401, 429]));
    expect((await from('10.1.2.3', home)).statusCode).toBe(401);
    let last = 0;
    expect(new Set((await often(() => from('203.0.113.9', `198.51.100.${last++}`))).map(({ statusCode }) => statusCode))).toEqual(new Set([401, 429]));
  });

  it('who is slow is looked for every few seconds, as at every other door', async () => {
    const { server } = consoleOf();
    expect(server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 2_500 });
  });
});

describe('a session before the console', () => {
  it('that calls too fast is told to wait at every door, while others are answered from there, and may end all the same (G11)', async () => {
    const server = consoleOf({ WRIT_CALLS_PER_SECOND: '1' });
    const [busy, other] = await Promise.all([signedIn('bob'), signedIn('carol')]);
    const answers = await often(() => knock(server, '/api/issuer/v1/tokens', home, asSession(busy)));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([502, 429]));
    expect(answers.filter(({ statusCode }) => statusCode === 502).length).toBeGreaterThanOrEqual(20);
    const late = answers.find(({ statusCode }) => statusCode === 429);
    expect(late?.headers).toMatchObject({ 'retry-after': expect.stringMatching(/^[1-9]\d*$/), 'content-type': expect.stringContaining('application/problem+json') });
    expect(late?.json()).toMatchObject({ status: 429, code: 'rate-limited', detail: 'You call faster than the console answers one session.' });
    expect((await often(() => knock(server, '/auth/me', home, asSession(busy)))).map(({ statusCode }) => statusCode)).toContain(429);
    expect((await often(() => knock(server, '/auth/step-up', home, asSession(busy)))).map(({ headers }) => headers.location)).toContain('/?problem=too-many');
    expect((await knock(server, '/auth/me', home, asSession(other))).json()).toMatchObject({ signedIn: true, sub: 'carol' });
    const page = { origin: 'http://127.0.0.1:4000', 'content-type': 'application/json', 'x-writ-csrf': csrfOf(key, busy) };
    const left = await server.inject({ method: 'POST', url: '/auth/logout', remoteAddress: home, headers: { ...asSession(busy), ...page }, body: '{}' });
    expect([left.statusCode, (await knock(consoleOf(), '/auth/me', home, asSession(busy))).json()]).toEqual([200, { signedIn: false }]);
  });
});

describe('a session whose access token has to be renewed', () => {
  const lengths = { idleSeconds: 600, seconds: 600 };
  const stale = { person: { sub: 'dave', iss: 'https://id.example' }, accessToken: 'old', refreshToken: 'once', idToken: 'it' };
  const renewed = { accessToken: 'new', refreshToken: 'next', seconds: 600 };
  let redis: Redis;
  let [here, there]: Sessions[] = [];
  const at = (what: string, id: string) => `writ:console:${what}:${nameOf(id)}`;
  const begin = async () => {
    const id = await here!.open(stale, 600);
    await redis.del(at('fresh', id));
    return id;
  };
  beforeAll(() => {
    redis = new Redis(backingUrls().redis);
    [here, there] = [1, 2].map(() => new Sessions(backingUrls().redis, key, lengths, () => undefined));
    open.push({ close: () => redis.quit() }, here!, there!);
  });

  it('shows its refresh token once, also where a replica looked before another renewed it and locks afterwards', async () => {
    const id = await begin();
    let shown = 0;
    const renew = () => {
      shown += 1;
      return Promise.resolve(renewed);
    };
    const find = there!.find.bind(there);
    there!.find = async (asked) => {
      const found = await find(asked);
      there!.find = find;
      await here!.findFresh(id, renew);
      return found;
    };
    expect([(await there!.findFresh(id, renew))?.accessToken, shown]).toEqual(['new', 1]);
  });

  it('ends when it would have ended', async () => {
    const id = await begin();
    expect(await redis.ttl(at('seen', id))).toBeLessThanOrEqual(lengths.idleSeconds);
    await redis.expire(at('session', id), 60);
    expect((await here!.findFresh(id, () => Promise.resolve(renewed)))?.refreshToken).toBe('next');
    expect(await redis.ttl(at('session', id))).toBeLessThanOrEqual(60);
  });

  it('stays ended where its owner signs out meanwhile, and ends where the provider gives no more', async () => {
    const [left, refused] = [await begin(), await begin()];
    expect([await here!.findFresh(left, async () => { await there!.end(left); return renewed; }), await redis.exists(at('session', left))]).toEqual([undefined, 0]);
    expect([await here!.findFresh(refused, () => Promise.resolve(undefined)), await there!.find(refused)]).toEqual([undefined, undefined]);
  });
});

describe('the doors of the console', () => {
  const forStrangers = ['/', '/reviews/:requestId', '/console.css', '/console.js', '/icon.svg', '/auth/login', '/auth/step-up', '/auth/callback', '/auth/me', '/health/live', '/health/ready'].map((path) => `GET ${path}`);
  const forSessions = ['POST /auth/logout', ...Object.entries(operations).flatMap(([service, all]) => all.map((operation) => routeOf(operation.replace(' ', ` /api/${service}`))))];

  it('have a rule each: who has no living session gets into those for strangers alone, and who lacks the page’s header changes nothing (G10)', async () => {
    const routes: string[] = [];
    const listen = (message: unknown) => {
      (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }: RouteOptions) => { routes.push(...[method].flat().map((each) => `${each} ${url}`)); });
    };
    subscribe('fastify.initialization', listen);
    const server = consoleOf({ WRIT_FAILURES_PER_SECOND: '1000' });
    unsubscribe('fastify.initialization', listen);
    expect(routes.toSorted()).toEqual([...forStrangers, ...forSessions].toSorted());

    const ask = async (route: string, headers: InjectOptions['headers']) => {
      const [method, url] = route.split(' ') as ['GET', string];
      const page = method === 'GET' ? {} : { origin: 'http://127.0.0.1:4000', 'content-type': 'application/json' };
      return (await server.inject({ method, url, headers: { ...page, ...headers }, ...(method === 'GET' ? {} : { body: '{}' }) })).statusCode;
    };
    for (const route of forStrangers) expect([200, 303]).toContain(await ask(route, {}));
    for (const route of forSessions) {
      const isRead = route.startsWith('GET');
      expect([route, await ask(route, {}), await ask(route, asSession(newSecret()))]).toEqual([route, 401, isRead ? 401 : 403]);
      if (!isRead) expect([route, await ask(route, asSession(person)), await ask(route, { ...asSession(person), 'x-writ-csrf': csrfOf(key, person), origin: 'https://evil.example' })]).toEqual([route, 403, 403]);
    }
  });
});
