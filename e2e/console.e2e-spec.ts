import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { chromium, type Browser as Chromium, type Page } from 'playwright-core';
import type { RequestAnswer, ReviewAnswer } from '@writ/contracts';
import { serviceNames } from '@writ/client';
import { Browser } from '@writ/testing';
import { keyFor, seal, unseal } from '../apps/console/src/sealing.js';
import type { Session } from '../apps/console/src/sessions.store.js';
import { as, freshToken, need, processes, until, untilStatus, wish } from './platform.js';
import { bearerOf, documentedRoutes, installation, stolen } from './security/callers.js';
import { rules } from './security/rules.js';

const own = need('WRIT_CONSOLE_URL');
/** The second replica: the same console to a browser, whichever of them a load balancer picks. */
const other = processes().find(({ name }) => name === 'console-2')!.url;
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const weakContrasts = `(${readFileSync(join(import.meta.dirname, '../apps/audit/test/weak-contrasts.js'), 'utf8')})()`;
const consoleKey = Buffer.from(readFileSync(join(installation, 'keys/console/session.key'), 'utf8'), 'base64');
let redis: Redis;
beforeAll(() => { redis = new Redis(stolen<{ redisUrl: string }>('backing', 'backing.json').redisUrl); });
afterAll(() => redis.quit());

interface Asked { method?: string; body?: string; headers?: Record<string, string>; at?: string }

/** A person before the console: their cookie, what the page knows, and the identity provider's memory of them. */
class Visitor {
  cookie = '';
  csrf = '';
  readonly browser = new Browser(need('WRIT_OIDC_ISSUER'));

  static async signedIn(person: string): Promise<Visitor> {
    const visitor = new Visitor();
    await visitor.goThrough('/auth/login', person);
    return visitor;
  }

  ask(path: string, { method = 'GET', body, headers = {}, at = own }: Asked = {}): Promise<Response> {
    return fetch(at + path, { method, body, redirect: 'manual', headers: { ...(this.cookie ? { cookie: `__Host-writ-session=${this.cookie}` } : {}), ...headers }, signal: AbortSignal.timeout(20_000) });
  }

  /** As the page does it. */
  change(path: string, body: unknown = {}, more: Record<string, string> = {}, at = own): Promise<Response> {
    return this.ask(path, { method: 'POST', at, body: JSON.stringify(body), headers: { origin: own, 'content-type': 'application/json', 'x-writ-csrf': this.csrf, ...more } });
  }

  me = async (at = own): Promise<Record<string, unknown>> => (await this.ask('/auth/me', { at })).json() as Promise<Record<string, unknown>>;

  /** From a door of the console through the provider's pages and back; answers the last redirect. */
  async goThrough(path: string, person: string, tamper = (cookie: string): string => cookie): Promise<Response> {
    const begun = await this.ask(path);
    const signIn = cookiesOf(begun)['__Host-writ-login']!;
    const back = await this.browser.signIn(begun.headers.get('location')!, person);
    expect(back.origin).toBe(own);
    // The provider's page is a foreign one: a browser brings the Lax cookie from there and not the Strict one.
    const done = await fetch(back, { redirect: 'manual', headers: { cookie: `__Host-writ-login=${tamper(signIn)}` } });
    const id = cookiesOf(done)['__Host-writ-session'];
    if (id !== undefined) {
      this.cookie = id;
      this.csrf = String((await this.me()).csrf);
    }
    return done;
  }
}

const cookiesOf = (answer: Response) => Object.fromEntries(answer.headers.getSetCookie().map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1, line.indexOf(';'))]));
const at = (what: string, cookie: string) => `writ:console:${what}:${createHash('sha256').update(cookie).digest('base64url')}`;

async function held(): Promise<string> {
  const { requestId } = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', reason: 'repair order 4711' }) });
  await untilStatus(requestId, 'held');
  await until('the review', () => as('reviewer').policy.get<ReviewAnswer>(`/v1/reviews/${requestId}`).catch(() => undefined));
  return requestId;
}

describe('a sign-in', () => {
  it('goes by code with PKCE, state and nonce, and leaves no token in the browser', async () => {
    const visitor = new Visitor();
    const begun = await visitor.ask('/auth/login?return=/reviews/x');
    const asked = new URL(begun.headers.get('location')!).searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({ response_type: 'code', code_challenge_method: 'S256', client_id: 'writ-console', redirect_uri: `${own}/auth/callback` });
    for (const name of ['code_challenge', 'state', 'nonce']) expect(asked.get(name)?.length).toBeGreaterThan(40);
    expect(begun.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-writ-login=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/)]);
    const done = await visitor.goThrough('/auth/login?return=/reviews/x', 'reviewer');
    expect([done.status, done.headers.get('location')]).toEqual([303, '/reviews/x']);
    expect(done.headers.getSetCookie()[0]).toMatch(/^__Host-writ-session=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    expect(await visitor.me()).toEqual({ signedIn: true, sub: 'dev-reviewer', iss: need('WRIT_OIDC_ISSUER'), name: 'Rita Reviewer', team: 'security', groups: expect.any(Array) as string[], csrf: visitor.csrf });
  });

  it('begun by somebody else, long ago, or tampered with, is none', async () => {
    const visitor = new Visitor();
    const flipped = await visitor.goThrough('/auth/login', 'reviewer', (cookie) => `${cookie.slice(0, 40)}${cookie[40] === 'A' ? 'B' : 'A'}${cookie.slice(41)}`);
    expect(flipped.headers.get('location')).toBe('/?problem=sign-in-stale');
    const foreign = cookiesOf(await new Visitor().ask('/auth/login'))['__Host-writ-login']!;
    expect((await visitor.goThrough('/auth/login', 'reviewer', () => foreign)).headers.get('location')).toBe('/?problem=sign-in-failed');
    const old = seal(keyFor('sign-in', consoleKey), { ...unseal<object>(keyFor('sign-in', consoleKey), foreign), begun: { state: 's', nonce: 'n', verifier: 'v', beganAt: Date.now() - 601_000 } });
    expect((await visitor.goThrough('/auth/login', 'reviewer', () => old)).headers.get('location')).toBe('/?problem=sign-in-stale');
    const begun = await visitor.ask('/auth/login');
    const back = await visitor.browser.signIn(begun.headers.get('location')!, 'reviewer');
    back.searchParams.set('state', 'A'.repeat(43));
    const done = await fetch(back, { redirect: 'manual', headers: { cookie: `__Host-writ-login=${cookiesOf(begun)['__Host-writ-login']}` } });
    expect(done.headers.get('location')).toBe('/?problem=sign-in-failed');
    expect(visitor.cookie).toBe('');
  });

  it('answered twice is one: its code is used up', async () => {
    const visitor = new Visitor();
    const begun = await visitor.ask('/auth/login');
    const headers = { cookie: `__Host-writ-login=${cookiesOf(begun)['__Host-writ-login']}` };
    const back = await visitor.browser.signIn(begun.headers.get('location')!, 'reviewer');
    const answers = [await fetch(back, { redirect: 'manual', headers }), await fetch(back, { redirect: 'manual', headers })];
    expect(answers.map((answer) => answer.headers.get('location'))).toEqual(['/', '/?problem=sign-in-failed']);
    expect(cookiesOf(answers[1]!)['__Host-writ-session']).toBeUndefined();
  });

  it.each(['https://evil.example/', '//evil.example', '/\\evil.example', '/%09/../\\evil.example', '/.//evil.example', 'javascript:alert(1)', '/auth/logout', '/api/issuer/v1/tokens'])('leads to no place but the console’s own: %s', async (place) => {
    const answer = await new Visitor().ask(`/auth/login?return=${encodeURIComponent(place)}`);
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
  });

  it('gives a new id each time, and the one before is worth nothing', async () => {
    const visitor = await Visitor.signedIn('reviewer');
    const before = Object.assign(new Visitor(), { cookie: visitor.cookie });
    await visitor.goThrough('/auth/login', 'reviewer');
    expect(visitor.cookie).not.toBe(before.cookie);
    expect([await before.me(), (await visitor.me()).signedIn]).toEqual([{ signedIn: false }, true]);
    const planted = Object.assign(new Visitor(), { cookie: 'A'.repeat(43) });
    await planted.goThrough('/auth/login', 'reviewer');
    expect(planted.cookie).not.toBe('A'.repeat(43));
  });
});

describe('a session', () => {
  let visitor: Visitor;
  beforeAll(async () => { visitor = await Visitor.signedIn('reviewer'); });

  it('is the same at every replica, and sealed in Redis', async () => {
    expect((await visitor.ask('/api/request/v1/requests', { at: other })).status).toBe(200);
    const sealed = (await redis.get(at('session', visitor.cookie)))!;
    const { accessToken, refreshToken } = unseal<Session>(keyFor('session', consoleKey, visitor.cookie), sealed)!;
    for (const secret of [accessToken, refreshToken!, 'dev-reviewer', visitor.cookie]) expect([sealed, Buffer.from(sealed, 'base64url').toString('latin1')].join()).not.toContain(secret);
    expect(unseal(keyFor('session', consoleKey, 'A'.repeat(43)), sealed)).toBeUndefined();
  });

  it('with a cookie that was tampered with, or sent twice, is none', async () => {
    const { cookie } = visitor;
    for (const wrong of [cookie.slice(0, -2), `${cookie}A`, `${cookie.slice(0, 5)}${cookie[5] === 'A' ? 'B' : 'A'}${cookie.slice(6)}`, `${cookie}; __Host-writ-session=${cookie}`]) {
      const thief = Object.assign(new Visitor(), { cookie: wrong });
      expect([await thief.me(), (await thief.ask('/api/issuer/v1/tokens')).status]).toEqual([{ signedIn: false }, 401]);
    }
  });

  it('that was exchanged in Redis for another one’s is none', async () => {
    const [mine, victim] = [await Visitor.signedIn('requester'), await Visitor.signedIn('admin')];
    await redis.set(at('session', mine.cookie), (await redis.get(at('session', victim.cookie)))!, 'KEEPTTL');
    expect(await mine.me()).toEqual({ signedIn: false });
  });

  it('renews its tokens once however many calls and replicas need them', async () => {
    for (let round = 0; round < 2; round++) {
      await redis.del(at('fresh', visitor.cookie));
      const calls = Array.from({ length: 12 }, (_, i) => visitor.ask('/api/request/v1/requests?limit=1', { at: i % 2 === 0 ? own : other }));
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 200));
    }
  });

  it('ends after half an hour without use, after eight hours in any case, and when Redis is lost', async () => {
    const idle = await Visitor.signedIn('reviewer');
    for (const [what, seconds] of [['seen', 1_800], ['session', 28_800]] as const) expect([what, (await redis.ttl(at(what, idle.cookie))) <= seconds]).toEqual([what, true]);
    await redis.expire(at('seen', idle.cookie), 60);
    await redis.expire(at('session', idle.cookie), 28_000);
    expect((await idle.me()).signedIn).toBe(true);
    expect(await redis.ttl(at('seen', idle.cookie))).toBeGreaterThan(1_700);
    expect(await redis.ttl(at('seen', idle.cookie))).toBeLessThanOrEqual(1_800);
    expect(await redis.ttl(at('session', idle.cookie))).toBeLessThanOrEqual(28_000);
    for (const [what, person] of [['seen', idle], ['session', await Visitor.signedIn('reviewer')]] as const) {
      await redis.pexpire(at(what, person.cookie), 1);
      await until('its end', async () => (await redis.exists(at(what, person.cookie))) === 0);
      expect([await person.me(), (await person.ask('/api/issuer/v1/tokens')).status]).toEqual([{ signedIn: false }, 401]);
    }
  });

  it('ends at once for everybody who has its cookie when its owner signs out, and so does its refresh token', async () => {
    const leaving = await Visitor.signedIn('requester');
    const { refreshToken } = unseal<Session>(keyFor('session', consoleKey, leaving.cookie), (await redis.get(at('session', leaving.cookie)))!)!;
    const thief = Object.assign(new Visitor(), { cookie: leaving.cookie, csrf: leaving.csrf });
    const answer = await leaving.change('/auth/logout');
    const { endSession, revoked } = await answer.json() as { endSession: string; revoked: boolean };
    expect([answer.status, revoked, cookiesOf(answer)['__Host-writ-session']]).toEqual([200, true, '']);
    expect(new URL(endSession).searchParams.get('post_logout_redirect_uri')).toBe(`${own}/`);
    for (const where of [own, other]) expect([await thief.me(where), (await thief.ask('/api/issuer/v1/tokens', { at: where })).status]).toEqual([{ signedIn: false }, 401]);
    expect((await thief.change('/api/request/v1/requests', wish())).status).toBe(401);
    const secret = stolen<Record<string, string>>('passwords.json')['client-writ-console']!;
    const { token_endpoint: endpoint } = await (await fetch(`${need('WRIT_OIDC_ISSUER')}/.well-known/openid-configuration`)).json() as { token_endpoint: string };
    const again = await fetch(endpoint, { method: 'POST', headers: { authorization: `Basic ${Buffer.from(`writ-console:${secret}`).toString('base64')}` }, body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken! }) });
    expect(await again.json()).toMatchObject({ error: 'invalid_grant' });
    expect((await leaving.browser.get(endSession)).html).toContain('Sign out here too?');
  });
});

describe('what another page has a browser send', () => {
  it.each<[string, number, string, Record<string, string | undefined>]>([
    ['from a foreign origin', 403, 'foreign-origin', { origin: 'https://evil.example' }],
    ['from another port of the same host', 403, 'foreign-origin', { origin: 'http://127.0.0.1:9' }],
    ['from nowhere', 403, 'foreign-origin', { origin: undefined }],
    ['from a sandboxed frame', 403, 'foreign-origin', { origin: 'null' }],
    ['as a form', 415, 'unsupported-media-type', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['as text', 415, 'unsupported-media-type', { 'content-type': 'text/plain' }],
    ['without the page’s header', 403, 'csrf-needed', { 'x-writ-csrf': undefined }],
    ['with the header of another session', 403, 'csrf-needed', { 'x-writ-csrf': 'A'.repeat(43) }],
  ])('%s changes nothing', async (_, status, code, change) => {
    const visitor = await Visitor.signedIn('requester');
    const headers = Object.fromEntries(Object.entries({ origin: own, 'content-type': 'application/json', 'x-writ-csrf': visitor.csrf, ...change }).filter(([, value]) => value !== undefined)) as Record<string, string>;
    for (const path of ['/auth/logout', '/api/request/v1/requests']) {
      const answer = await visitor.ask(path, { method: 'POST', headers, body: '{}' });
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
    }
    expect((await visitor.me()).signedIn).toBe(true);
  });

  it('is in nobody’s frame, cache or script', async () => {
    for (const path of ['/', '/reviews/x', '/auth/me', '/nowhere', '/console.js']) {
      const { headers } = await new Visitor().ask(path);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'$/);
      expect(['x-content-type-options', 'referrer-policy', 'cache-control', 'access-control-allow-origin'].map((name) => headers.get(name))).toEqual(['nosniff', 'no-referrer', 'no-store', null]);
    }
  });
});

describe('the services behind the console', () => {
  const filled = (route: string) => route.replaceAll(/\{\w+\}/g, 'none_00000000000000000000000000');

  it.each(serviceNames)('of %s are reached in what people do there, and in nothing of gateways, of everybody or of the inside (G10)', async (service) => {
    const visitor = await Visitor.signedIn('requester');
    const wrong: unknown[] = [];
    for (const route of await documentedRoutes(service)) {
      const [method = '', path = ''] = route.split(' ');
      const isForPeople = Array.isArray(rules[service][route]!.who);
      const answer = await visitor.ask(`/api/${service}${filled(path)}`, { method, ...(method === 'GET' ? {} : { body: '{}', headers: { origin: own, 'content-type': 'application/json', 'x-writ-csrf': visitor.csrf } }) });
      const isClosed = answer.status === 404 && (await answer.text()).includes('There is no such route.');
      if (isClosed === isForPeople) wrong.push([route, answer.status]);
    }
    expect(wrong).toEqual([]);
  });

  it.each(['/api/issuer/v1/tokens/..%2fgateways', '/api/issuer/v1/tokens/%2e%2e/claim', '/api/issuer/v1/tokens/../fleet/lease', '/api/issuer/v1/tokens%2fverify', '/api/identity/token', '/api/signer/sign', '/api/issuer//v1/tokens'])('are not reached by a detour: %s', async (path) => {
    const visitor = await Visitor.signedIn('admin');
    const { hostname, port, protocol } = new URL(own);
    const { request } = await import(protocol === 'https:' ? 'node:https' : 'node:http') as typeof import('node:http');
    const status = await new Promise<number>((resolve, reject) => {
      request({ hostname, port, path, headers: { cookie: `__Host-writ-session=${visitor.cookie}` } }, (answer) => { answer.resume(); resolve(answer.statusCode!); }).once('error', reject).end();
    });
    expect(status).toBe(404);
  });

  it('hear the session’s bearer and never the caller’s own, and answer with their receipts and problems', async () => {
    const visitor = await Visitor.signedIn('requester');
    const key = `console-${Date.now()}`;
    const more = { authorization: `Bearer ${need('WRIT_ADMIN_TOKEN')}`, 'idempotency-key': key };
    const first = await visitor.change('/api/request/v1/requests', wish(), more);
    const { requestId } = await first.json() as { requestId: string };
    expect([first.status, first.headers.get('x-audit-receipt')]).toEqual([202, expect.stringMatching(/^evt_/)]);
    expect(await as('requester').request.get(`/v1/requests/${requestId}`)).toMatchObject({ claimant: { sub: 'dev-requester' } });
    const again = await visitor.change('/api/request/v1/requests', wish(), more, other);
    expect(await again.json()).toMatchObject({ requestId });
    const forbidden = await visitor.ask('/api/request/v1/upstreams', { headers: more });
    expect([forbidden.status, forbidden.headers.get('content-type'), ((await forbidden.json()) as { code: string }).code]).toEqual([403, expect.stringMatching(/^application\/problem\+json/), 'forbidden']);
  });
});

describe('a vote', () => {
  it('needs a fresh sign-in, which the provider asks for anew, and which makes nobody somebody else', async () => {
    const requestId = await held();
    const visitor = await Visitor.signedIn('reviewer');
    const cast = () => visitor.change(`/api/policy/v1/reviews/${requestId}/votes`, { vote: 'approve', reason: 'seen the ticket' });
    // Two days old, as a session of eight hours with a step-up window of five minutes would be after a while.
    const key = keyFor('session', consoleKey, visitor.cookie);
    const session = unseal<Session>(key, (await redis.get(at('session', visitor.cookie)))!)!;
    const stale = await bearerOf({ sub: 'dev-reviewer', groups: ['security', 'writ-reviewers'] }, { auth_time: Math.floor(Date.now() / 1_000) - 172_800 });
    await redis.set(at('session', visitor.cookie), seal(key, { ...session, accessToken: stale }), 'KEEPTTL');
    const refused = await cast();
    expect([refused.status, ((await refused.json()) as { code: string }).code, refused.headers.get('www-authenticate')]).toEqual([401, 'step-up-needed', expect.stringContaining('max_age="28800"')]);

    const before = visitor.cookie;
    const stepUp = `/auth/step-up?return=/reviews/${requestId}&max_age=28800`;
    expect(Object.fromEntries(new URL((await visitor.ask(stepUp)).headers.get('location')!).searchParams)).toMatchObject({ prompt: 'login', max_age: '28800' });
    expect((await visitor.goThrough(stepUp, 'reviewer2')).headers.get('location')).toBe('/?problem=other-person');
    expect(visitor.cookie).toBe(before);
    expect((await visitor.goThrough(stepUp, 'reviewer')).headers.get('location')).toBe(`/reviews/${requestId}`);
    expect(visitor.cookie).not.toBe(before);
    expect(await Object.assign(new Visitor(), { cookie: before }).me()).toEqual({ signedIn: false });
    expect([(await cast()).status, (await new Visitor().ask(stepUp)).headers.get('location')]).toEqual([200, `/auth/login?return=${encodeURIComponent(`/reviews/${requestId}`)}`]);
  });
});

if (!executablePath) it('is not tested in a browser here: there is none, and none may be installed', () => expect(executablePath).toBeUndefined());
else describe('in a browser', () => {
  let chrome: Chromium;
  const picture = async (page: Page, name: string) => { if (process.env.WRIT_TEST_PICTURES) await page.screenshot({ path: join(process.env.WRIT_TEST_PICTURES, `console-${name}.png`), fullPage: true }); };
  beforeAll(async () => { chrome = await chromium.launch({ executablePath, args: ['--no-sandbox'] }); });
  afterAll(() => chrome.close());

  it('a reviewer signs in, votes by keyboard, and signs out, and the page never runs or loads anything else', async () => {
    const requestId = await held();
    const context = await chrome.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1_000, height: 900 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => { if (message.location().url.startsWith(own)) complaints.push(message.text()); }).on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${own}/reviews/${requestId}`);
    await picture(page, 'start');
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Rita Reviewer' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    const card = page.getByRole('article').first();
    await card.getByLabel('Your reason').fill('seen ticket 4711');
    expect(page.url()).toBe(`${own}/reviews/${requestId}`);
    expect(await card.innerText()).toContain(requestId);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(weakContrasts)).toEqual([]);
      await picture(page, colorScheme);
    }
    expect(await page.evaluate('document.cookie + JSON.stringify(localStorage)')).toBe('{}');
    expect((await context.cookies(own)).filter(({ name }) => name.startsWith('__Host-writ-'))).toEqual([expect.objectContaining({ name: '__Host-writ-session', secure: true, httpOnly: true, sameSite: 'Strict' })]);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Approve');
    await page.keyboard.press('Enter');
    await page.getByText('Your vote counts: approve.').waitFor();
    await picture(page, 'voted');
    const { votes } = await as('reviewer').policy.get<ReviewAnswer>(`/v1/reviews/${requestId}`);
    expect(votes).toEqual([expect.objectContaining({ vote: 'approve', reason: 'seen ticket 4711' })]);
    await page.setViewportSize({ width: 390, height: 800 });
    await picture(page, 'narrow');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.getByRole('link', { name: 'Sign in' }).waitFor();
    expect((await context.cookies(own)).filter(({ name }) => name.startsWith('__Host-writ-'))).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('a requester sees what they asked for and what they hold, and no more', async () => {
    const { tokenId } = await freshToken({ reason: 'nightly export of orders' });
    const { requestId } = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:everything'], reason: 'asked for too much' }) });
    await untilStatus(requestId, 'denied');
    const context = await chrome.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1_000, height: 900 } });
    const page = await context.newPage();
    await page.goto(own);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Robin Requester' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByRole('row').filter({ hasText: tokenId }).waitFor();
    expect(await page.getByRole('row').filter({ hasText: tokenId }).innerText()).toMatch(/orders:read on orders in dev\s.*(delivered|active)/);
    expect(await page.getByRole('row').filter({ hasText: 'nightly export of orders' }).innerText()).toContain('delivered');
    expect(await page.getByRole('row').filter({ hasText: 'asked for too much' }).innerText()).toContain('"orders" has no scope "orders:everything"');
    expect(await page.innerText('#reviews')).toBe('You are not one of those who decide.');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(weakContrasts)).toEqual([]);
      await picture(page, `requester-${colorScheme}`);
    }
    await page.setViewportSize({ width: 390, height: 800 });
    await picture(page, 'requester-narrow');
    await context.close();
  });
});
