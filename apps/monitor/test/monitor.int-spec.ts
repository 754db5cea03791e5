import { writeFileSync } from 'node:fs';
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { Webhook } from 'standardwebhooks';
import { digestOf, makeId, signStatement, verifyStatement, type AlertView, type DetectorView, type ResponseRule, type TokenId, type UsageRecorded, type UsageSummary, type UsageView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { loadTrust, startService, type Service } from '@writ/service';
import { backingUrls, TestBench, until, type Tap } from '@writ/testing';
import { innerDigest, mint } from '@writ/token';
import { Alerts } from '../src/alerts/alert.store.js';
import { Baselines } from '../src/baselines/baseline.store.js';
import { MonitorConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { MonitorModule } from '../src/monitor.module.js';
import { NarrowJob } from '../src/usage/narrow.job.js';
import { networkHash } from '../src/baselines/observe.js';
import { seedOf } from '../src/baselines/seed.js';
import { rollUp } from '../src/usage/usage.store.js';
import { startReceiver, type Receiver } from './receiver.js';

const leakKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let bench: TestBench;
let service: Service;
let tap: Tap;
let redis: Redis;
let receiver: Receiver;

beforeAll(async () => {
  bench = await TestBench.create();
  writeFileSync(`${bench.dir}/monitor/honeytoken.1.key`, randomBytes(32).toString('base64'));
  receiver = await startReceiver();
  const target = { secret: receiver.secret, allowPrivate: true };
  const env = await bench.env('monitor', migrations, {
    WRIT_WEBHOOKS: JSON.stringify([
      { ...target, name: 'ops', url: `${receiver.address}/ops` },
      { ...target, name: 'chat', url: `${receiver.address}/chat`, kind: 'slack', hears: ['alert.opened'], teams: ['orders'] },
      { ...target, name: 'billing', url: `${receiver.address}/billing`, teams: ['billing'] },
    ]),
    WRIT_LEAK_KEYS: JSON.stringify({ public_keys: [{ key_identifier: 'k1', key: leakKey.publicKey.export({ type: 'spki', format: 'pem' }), is_current: true }] }),
    WRIT_FAILURES_PER_SECOND: '1',
  });
  service = await startService({ name: 'monitor', module: MonitorModule, config: MonitorConfig, env });
  tap = await bench.bus.tap();
  await letStop(1);
  redis = new Redis(backingUrls().redis);
});
afterAll(async () => {
  redis?.disconnect();
  await service?.close();
  await bench?.drop();
  await receiver?.stop();
});

/** As the sample set does, with rules of a test's own. */
async function letStop(activation: number, ...more: ResponseRule[]): Promise<void> {
  await bench.sayResponse(activation, [{ id: 'stop', reason: 'thieves', most: 'suspend', detectors: ['burst-from-new-network', 'rate', 'denied-scopes', 'honeytoken-source'] }, ...more]);
  await until(async () => (await sql('SELECT 1 FROM response WHERE activation = $1', [activation])).length === 1, 'the response rules to be known');
}

const hour = 3_600_000;
const day = 24 * hour;
const newToken = () => makeId('tok', Date.now(), randomBytes(10));
const keyOf = (tokenId: TokenId) => `wm:${tokenId.slice(4)}`;
const sql = <Row = Record<string, unknown>>(text: string, parameters: unknown[] = []) => bench.database('monitor').query<Row>(text, parameters);

async function issue(owner = `svc:${randomBytes(4).toString('hex')}`, scopes = ['orders:read', 'orders:write'], tokenId = newToken()): Promise<{ tokenId: TokenId; owner: string }> {
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: makeId('req', Date.now(), randomBytes(10)), owner: { id: owner, team: 'orders' }, claimant: { iss: 'https://id.example', sub: owner }, resource: 'orders',
    audience: 'orders', scopes, environment: 'prod', issuedAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 30 * day).toISOString(), delivery: { mode: 'claim' },
  }, { aggregateversion: 1 });
  return { tokenId, owner };
}

interface Use { at?: number; count?: number; network?: string; agent?: string; code?: string; scopes?: string[]; denied?: string[]; generation?: number }
function usage(tokenId: TokenId, uses: Use[]): UsageRecorded {
  return {
    verifierId: 'vrf-1', watermark: new Date().toISOString(),
    records: uses.map(({ at = Date.now(), count = 1, network = '198.51.100.0/24', agent = 'billing', code = 'VALID', scopes = ['orders:read'], denied, generation = 1 }) => ({
      tokenId, generation, code, gateway: 'gw-1', network, agent, scopes, ...(denied ? { denied } : {}), count, firstAt: new Date(at).toISOString(), lastAt: new Date(at).toISOString(),
    })),
  };
}
const say = (tokenId: TokenId, uses: Use[], envelope = {}) => bench.bus.say('issuer', 'usage.recorded', usage(tokenId, uses), envelope);
const counted = async (tokenId: TokenId, calls: number) => until(async () => Number((await sql<{ n: string }>('SELECT coalesce(sum(calls), 0) n FROM usage_minute WHERE token_id = $1', [tokenId]))[0]?.n) >= calls, 'the uses to be counted');

async function call<Answer>(method: string, path: string, who: { sub: string; groups?: string[]; team?: string }, body?: object): Promise<{ status: number; body: Answer }> {
  const answer = await fetch(service.url + path, {
    method, headers: { authorization: `Bearer ${await bench.identity.token(who)}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as Answer };
}

/** A token with a steady past of ten days: twenty calls an hour from one network by one agent. */
async function established(): Promise<{ tokenId: TokenId; owner: string }> {
  const token = await issue();
  const hours = Array.from({ length: 60 }, (_, i) => ({ at: Date.now() - 10 * day + i * 4 * 3_600_000, count: 20 }));
  await say(token.tokenId, hours);
  await counted(token.tokenId, 60 * 20);
  expect((await redis.hgetBuffer(keyOf(token.tokenId), 'i'))?.readUInt32LE(8)).toBe(60 * 20);
  return token;
}
/** What each of these targets was told under an id, when there is nothing left to tell: the signed bodies. */
async function noticesOf(id: string, paths: string[]): Promise<object[]> {
  await until(async () => (await sql('SELECT 1 FROM notice WHERE notice_id = $1', [id])).length === 0, 'the notices to be carried out');
  const notices = receiver.received.filter(({ headers }) => headers['webhook-id'] === id);
  expect(notices.map(({ path }) => path).sort()).toEqual(paths);
  return notices.map(({ body, headers }) => new Webhook(receiver.secret).verify(body, headers as Record<string, string>) as object).filter((body) => 'type' in body);
}
const theft = { network: '203.0.113.0/24', agent: 'curl', count: 2_000 };

describe('the monitor', () => {
  it('proposes, signed, to suspend a token that bursts from a new network, and says so of its owner (G10)', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend');
    expect(data.explanation).toContain('203.0.113.0/24');
    const trust = loadTrust(`${bench.dir}/trust.json`);
    expect(verifyStatement(trust, 'proposal', String(data.statement), new Date())).toMatchObject({ alertId: data.alertId, tokenId, action: 'suspend' });
    const { envelope } = await tap.next('trust.changed', (d) => d.ownerId === owner);
    expect(envelope.data).toMatchObject({ team: 'orders', openIncidents: 1, version: 1 });
    const at = new Date(Date.now() + 2_000).toISOString();
    await bench.bus.say('issuer', 'stop.confirmed', { tokenId, seq: 1, code: String(data.detector), cause: String(data.alertId), stoppedAt: at, refusedAt: at, acknowledged: 2, fenced: 0 });
    await until(async () => (await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${tokenId}`, { sub: owner })).body.items[0]?.stop?.acknowledged === 2, 'the receipts');
  });

  it('stops a blatant burst on the first day too', async () => {
    const { tokenId } = await issue();
    await say(tokenId, [{ count: 10, at: Date.now() - 5_000 }]);
    await say(tokenId, [theft]);
    await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend');
  });

  it('counts an event once, however often it comes and in whatever order', async () => {
    const { tokenId } = await issue();
    const id = `evt_${'a'.repeat(26)}`;
    const data = usage(tokenId, [{ count: 7 }]);
    for (let i = 0; i < 3; i++) await bench.bus.say('issuer', 'usage.recorded', data, { id, subject: 'vrf-1', time: data.watermark });
    await say(tokenId, [{ at: Date.now() - 3_600_000, count: 5 }]);
    await counted(tokenId, 12);
    expect((await redis.hgetBuffer(keyOf(tokenId), 'i'))?.readUInt32LE(8)).toBe(12);
    expect((await sql('SELECT 1 FROM usage_minute WHERE token_id = $1', [tokenId]))).toHaveLength(2);
    expect(tap.ofType('message.parked')).toEqual([]);
  });

  it('judges uses again in full whose transaction came to nothing, and counts them once', async () => {
    const { tokenId } = await established();
    const at = Math.floor(Date.now() / 1_000);
    const burst = [{ tokenId, at, observations: [{ tag: 'abcd', at, use: 'v' as const, calls: 900, network: theft.network, agent: theft.agent, gateway: 'gw-1', denied: [] }] }];
    const baselines = service.app.get(Baselines);
    const [first] = await baselines.observe(burst);
    expect(first).toMatchObject({ rate: 900, networkCalls: 900 });
    expect((await baselines.observe(burst))[0]).toMatchObject({ rate: 900, networkCalls: 900, calls: first?.calls });
  });

  it('starts a baseline whole, and never over another', async () => {
    const tokenId = newToken();
    const baselines = service.app.get(Baselines);
    await Promise.all([1, 2, 3].map((first) => baselines.start([{ tokenId, fields: seedOf(undefined, { first, now: 9 }) }])));
    const [features] = await baselines.observe([{ tokenId, at: 60, observations: [] }]);
    expect([1, 2, 3]).toContain(features?.firstUsedAt);
    await baselines.start([{ tokenId, fields: seedOf(undefined, { first: 7, now: 9 }) }]);
    expect((await baselines.observe([{ tokenId, at: 60, observations: [] }]))[0]?.firstUsedAt).toBe(features?.firstUsedAt);
  });

  it('learns a token’s level in one step: no use that is counted meanwhile is taken back', async () => {
    const tokenId = newToken();
    const baselines = service.app.get(Baselines);
    await baselines.start([{ tokenId, fields: seedOf(undefined, { first: 60_000, now: 60_000 }) }]);
    const observe = (n: number) => baselines.observe([{ tokenId, at: 60_000, observations: [{ tag: `t${100 + n}`, at: 60_000, use: 'v', calls: 3, network: theft.network, agent: theft.agent, gateway: 'gw-1', denied: [] }] }]);
    await observe(0); // So that Redis knows the script, and the others meet.
    await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? observe(n) : baselines.learn(tokenId, 60_000, 100))));
    expect(await baselines.learn(tokenId, 60_000, 100)).toEqual({ highMinute: 63, highHour: 63, highDenied: 0 });
    const [features] = await baselines.observe([{ tokenId, at: 60_000, observations: [] }]);
    expect(features).toMatchObject({ calls: 63, highMinute: 63, highHour: 63, quietUntil: 60_100 });
    expect((await redis.hgetBuffer(keyOf(tokenId), `N${networkHash(theft.network)}`))?.readUInt32LE(0)).toBe(60_000 - 7_200);
  });

  it('raises no alarm when Redis has lost everything: what is known comes back from the series, also of who is refused every day', async () => {
    const refused = await established();
    const tokens = [refused, ...(await Promise.all(Array.from({ length: 5 }, () => established())))];
    const wishes = Array.from({ length: 5 }, (_, n) => ({ code: 'INSUFFICIENT_SCOPE', scopes: [], denied: [`orders:wish${n}`], count: 2 }));
    await say(refused.tokenId, Array.from({ length: 10 }, (_, i) => wishes.map((wish) => ({ ...wish, at: Date.now() - i * day - 4 * hour }))).flat());
    await counted(refused.tokenId, 1_200 + 100);
    const alarms = () => sql<{ n: number }>(`SELECT count(*)::int n FROM alert WHERE token_id = ANY($1) AND action <> 'note'`, [tokens.map(({ tokenId }) => tokenId)]);
    const before = await alarms();
    for (const { tokenId } of tokens) await redis.unlink(keyOf(tokenId));
    for (const [n, { tokenId }] of tokens.entries()) await say(tokenId, [{ at: Date.now() - 3 * hour, count: 20 }, { at: Date.now() - 3 * hour, count: 5, network: `10.${randomBytes(2).join('.')}.0/24`, agent: `other-${n}` }]);
    for (const { tokenId } of tokens) await counted(tokenId, 1_200 + 25);
    await counted(refused.tokenId, 1_300 + 25);
    // Learning is over by now; refused scopes are still all new.
    await say(refused.tokenId, wishes.map((wish) => ({ ...wish, at: Date.now() - hour })));
    await counted(refused.tokenId, 1_300 + 35);
    expect(await alarms()).toEqual(before);
    for (const { tokenId } of tokens) expect(Object.keys(await redis.hgetall(keyOf(tokenId))).filter((field) => field.startsWith('N'))).toHaveLength(2);
  });

  it('lets an owner say "it was us": the alert ends, trust returns, and the same again is no alarm', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend');
    const path = `/v1/alerts/${String(data.alertId)}/dismiss`;
    expect((await call('POST', path, { sub: 'stranger' }, { reason: 'mine' })).status).toBe(404);
    expect((await call('GET', `/v1/alerts/${String(data.alertId)}`, { sub: 'stranger' })).status).toBe(404);
    expect((await call('GET', `/v1/alerts/${String(data.alertId)}`, { sub: owner })).body).toMatchObject({ evidenceDigest: data.evidenceDigest, evidence: { features: { networkCalls: theft.count } } });
    const dismissed = await call<AlertView>('POST', path, { sub: owner }, { reason: 'we moved the export' });
    expect(dismissed).toMatchObject({ status: 200, body: { state: 'dismissed', reason: 'we moved the export' } });
    await tap.next('trust.changed', (d) => d.ownerId === owner && d.openIncidents === 0 && d.version === 2);
    await tap.next('monitoring.changed', (d) => d.change === 'alert-dismissed' && d.tokenId === tokenId && d.alertId === data.alertId && d.reason === 'we moved the export');
    await say(tokenId, [{ ...theft, at: Date.now() + 30_000, agent: 'wget' }]);
    await counted(tokenId, 60 * 20 + 4_000);
    await call('GET', '/v1/alerts', { sub: owner });
    const alerts = await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${tokenId}&state=open&action=notify`, { sub: owner });
    expect(alerts.body.items).toEqual([]);
  });

  it('takes resuming for "it was us": the alert ends, trust returns, its level is usual, and the next theft is stopped all the same', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend');
    const by = { kind: 'person' as const, principal: { iss: 'https://id.example', sub: owner } };
    await bench.bus.say('issuer', 'token.resumed', { tokenId, requestId: makeId('req', Date.now(), randomBytes(10)), seq: 3, by, code: 'resumed-by-person', reason: 'our export' }, { aggregateversion: 3 });
    await tap.next('monitoring.changed', (d) => d.change === 'alert-dismissed' && d.alertId === data.alertId && d.reason === 'our export');
    await tap.next('trust.changed', (d) => d.ownerId === owner && d.openIncidents === 0);
    expect((await call<AlertView>('GET', `/v1/alerts/${String(data.alertId)}`, { sub: owner })).body).toMatchObject({ state: 'dismissed', closedBy: { sub: owner } });
    expect((await sql<{ high_minute: number }>('SELECT high_minute FROM lesson WHERE token_id = $1', [tokenId]))[0]?.high_minute).toBeGreaterThanOrEqual(theft.count);
    await say(tokenId, [{ network: '192.0.2.0/24', agent: 'wget', count: 90_000 }]);
    await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend' && d.alertId !== data.alertId);
  });

  it('says that a stop was held, and asks again while the misuse goes on', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend');
    const alert = async () => (await call<AlertView>('GET', `/v1/alerts/${String(data.alertId)}`, { sub: owner })).body;
    await bench.bus.say('issuer', 'stop.blocked', { tokenId, alertId: data.alertId as never, code: 'owner-breaker' });
    await until(async () => (await alert()).blocked?.code === 'owner-breaker', 'the alert to say so');
    await sql(`UPDATE alert SET proposed_at = now() - interval '11 minutes' WHERE alert_id = $1`, [data.alertId]);
    await say(tokenId, [theft]);
    await until(() => tap.ofType('misuse.detected').filter(({ envelope }) => envelope.data.alertId === data.alertId).length === 2, 'the second proposal');
    const at = new Date().toISOString();
    await bench.bus.say('issuer', 'stop.confirmed', { tokenId, seq: 1, code: String(data.detector), cause: String(data.alertId), stoppedAt: at, refusedAt: at, acknowledged: 1, fenced: 0 });
    await until(async () => (await alert()).stop?.acknowledged === 1, 'the receipts');
    expect((await alert()).blocked).toBeUndefined();
  });

  it('hands what is open about a token to its next owner', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    await tap.next('trust.changed', (d) => d.ownerId === owner && d.openIncidents === 1);
    const to = { id: `svc:${randomBytes(4).toString('hex')}`, team: 'billing' };
    await bench.bus.say('issuer', 'token.transferred', {
      tokenId, requestId: makeId('req', Date.now(), randomBytes(10)), from: { id: owner, team: 'orders' }, to, claimant: { iss: 'https://id.example', sub: to.id }, by: { kind: 'person' }, seq: 4,
    }, { aggregateversion: 4 });
    await tap.next('trust.changed', (d) => d.ownerId === owner && d.openIncidents === 0);
    await tap.next('trust.changed', (d) => d.ownerId === to.id && d.openIncidents === 1);
    expect((await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${tokenId}`, { sub: to.id })).body.items).toHaveLength(1);
  });

  it('shows alerts and use to the owner, the team and auditors, and to nobody else (G10)', async () => {
    const { tokenId, owner } = await established();
    await say(tokenId, [theft]);
    await tap.next('misuse.detected', (d) => d.tokenId === tokenId);
    const seen = async (who: { sub: string; groups?: string[]; team?: string }) => (await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${tokenId}`, who)).body.items.length;
    expect(await seen({ sub: owner })).toBe(1);
    expect(await seen({ sub: 'colleague', team: 'orders' })).toBe(1);
    expect(await seen({ sub: 'auditor', groups: ['auditors'] })).toBe(1);
    expect(await seen({ sub: 'stranger', team: 'billing' })).toBe(0);
    expect((await call('GET', `/v1/usage/${tokenId}`, { sub: 'stranger', team: 'billing' })).status).toBe(404);
    const { body } = await call<UsageView>('GET', `/v1/usage/${tokenId}?span=day`, { sub: owner });
    expect(body.buckets.reduce((sum, { calls }) => sum + calls, 0)).toBe(60 * 20 + 2_000);
    expect(body.scopes).toMatchObject({ unused: ['orders:write'], words: 'uses 1 of 2 scopes' });
    expect(body.networks.map(({ value }) => value).sort()).toEqual(['198.51.100.0/24', '203.0.113.0/24']);
    // What is refused is no use, and a roaming token's networks leave room for its scopes.
    await say(tokenId, [{ code: 'REVOKED', at: Date.now() + 50_000 }]);
    await sql(`INSERT INTO usage_source SELECT $1, 'network', '10.0.' || i || '.0/24', now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, 600) i`, [tokenId]);
    await counted(tokenId, 60 * 20 + 2_001);
    const roaming = await call<UsageView>('GET', `/v1/usage/${tokenId}?span=day`, { sub: owner });
    expect(roaming.body).toMatchObject({ lastUsedAt: body.lastUsedAt, scopes: { words: 'uses 1 of 2 scopes' } });
    const listed = (who: { sub: string; team?: string }) => call<{ items: UsageSummary[] }>('GET', `/v1/usage?tokens=${tokenId},${newToken()}`, who);
    expect((await listed({ sub: owner })).body.items).toEqual([{ tokenId, lastUsedAt: expect.any(String), granted: 2, used: 1, unused: ['orders:write'], words: 'uses 1 of 2 scopes' }]);
    expect((await listed({ sub: 'stranger', team: 'billing' })).body.items).toEqual([]);
    expect((await fetch(`${service.url}/v1/alerts`)).status).toBe(401);
  });

  it('rolls minutes up into hours and days without losing or doubling a call', async () => {
    const { tokenId } = await established();
    await until(async () => {
      await sql('SELECT 1');
      return (await call<UsageView>('GET', `/v1/usage/${tokenId}?span=day`, { sub: 'a', groups: ['auditors'] })).body.buckets.length > 9;
    }, 'the series');
    const total = async () => (await call<UsageView>('GET', `/v1/usage/${tokenId}?span=day`, { sub: 'a', groups: ['auditors'] })).body.buckets.reduce((sum, { calls }) => sum + calls, 0);
    expect(await total()).toBe(1_200);
    await service.app.get(Transactions<'monitor'>).run((tx) => rollUp(tx.db));
    expect(await total()).toBe(1_200);
    expect((await sql<{ n: string }>(`SELECT count(*) n FROM usage_minute WHERE token_id = $1 AND at < now() - interval '3 hours'`, [tokenId]))[0]?.n).toBe('0');
  });

  it('keeps a year of every hour in some hundred rows, however long and often a token is used', async () => {
    const { tokenId } = await issue();
    await until(async () => (await call('GET', `/v1/usage/${tokenId}`, { sub: 'a', groups: ['auditors'] })).status === 200, 'the token to be known');
    // 430 days in which every hour is used and refused.
    await sql(`INSERT INTO usage_hour (token_id, at, code, calls, peak, last_at)
      SELECT $1, h, c, 7, 3, h FROM generate_series(date_trunc('hour', now()) - interval '430 days', now() - interval '3 hours', interval '1 hour') h, unnest('{VALID,INSUFFICIENT_SCOPE}'::text[]) c`, [tokenId]);
    await sql(`INSERT INTO usage_minute (token_id, at, code, calls, last_at) SELECT $1, m, 'VALID', 1, m FROM generate_series(now() - interval '2 hours', now(), interval '1 minute') m`, [tokenId]);
    const rows = async (span: string) => Number((await sql<{ n: string }>(`SELECT count(*) n FROM usage_${span} WHERE token_id = $1`, [tokenId]))[0]?.n);
    const yearly = async () => (await call<UsageView>('GET', `/v1/usage/${tokenId}?span=day`, { sub: 'a', groups: ['auditors'] })).body.buckets.reduce((sum, { calls }) => sum + calls, 0);
    const before = await yearly();
    while (await service.app.get(Transactions<'monitor'>).run((tx) => rollUp(tx.db, 5_000)));
    expect(await rows('hour')).toBeLessThanOrEqual(2 * 31 * 24);
    expect(await rows('day')).toBeLessThanOrEqual(2 * 401);
    expect(await rows('minute')).toBeLessThanOrEqual(121);
    expect(await yearly()).toBeGreaterThan(before * 0.99); // Only the day at the far end may have gone.
  });

  it('keeps a bounded memory of who used a token, however many names a client thinks of: the newest', async () => {
    const { tokenId } = await established();
    for (let i = 0; i < 3; i++) await say(tokenId, Array.from({ length: 100 }, (_, n) => ({ agent: `bot-${i}-${n}`, at: Date.now() - (3 - i) * 1_000 })));
    await counted(tokenId, 60 * 20 + 300);
    const agents = await sql<{ value: string }>(`SELECT value FROM usage_source WHERE token_id = $1 AND kind = 'agent'`, [tokenId]);
    expect(agents).toHaveLength(256);
    expect(agents.map(({ value }) => value)).toEqual(expect.arrayContaining(Array.from({ length: 100 }, (_, n) => `bot-2-${n}`)));
  });

  it('passes on a signed leak report as an inner digest, once, and keeps the secret nowhere (G3)', async () => {
    const secret = mint('prod', randomBytes(32)).reveal();
    const body = JSON.stringify([{ token: secret, type: 'writ_token', url: `https://example.com/a?t=${secret}`, source: 'content' }, { token: 'writ_prod_junk', type: 'writ_token', url: '', source: 'commit' }]);
    const post = (text: string, signed = text) => fetch(`${service.url}/v1/leaks`, {
      method: 'POST', body: text, headers: {
        'content-type': 'application/json', 'github-public-key-identifier': 'k1',
        'github-public-key-signature': createSign('sha256').update(signed).sign(leakKey.privateKey, 'base64'),
      },
    });
    // Whoever signs nothing is told to wait, and whoever does is heard from the same address.
    const unsigned = await Promise.all(Array.from({ length: 40 }, () => post(body, `${body} `)));
    expect(new Set(unsigned.map(({ status, headers }) => `${status} ${headers.has('retry-after')}`))).toEqual(new Set(['401 false', '429 true']));
    const answer = await post(body);
    expect([answer.status, await answer.json()]).toEqual([200, [{ token_hash: createHash('sha256').update('writ_prod_junk').digest('base64'), token_type: 'writ_token', label: 'false_positive' }]]);
    const junk = (count: number) => JSON.stringify(Array.from({ length: count }, (_, i) => ({ token: `writ_prod_junk${i}`, type: 'writ_token', url: `https://example.com/${'a'.repeat(120)}/${i}`, source: 'commit' })));
    expect(Buffer.byteLength(junk(1_500))).toBeGreaterThan(65_536 * 4);
    expect((await post(junk(1_500))).status).toBe(200);
    expect(await (await post(junk(2_001))).json()).toMatchObject({ code: 'too-many-finds' });
    expect((await post(`[${' '.repeat(1_100_000)}]`)).status).toBe(413);
    await post(body);
    const digest = innerDigest(secret).toString('base64url');
    const { envelope } = await tap.next('leak.reported', (d) => d.innerDigest === digest);
    expect(verifyStatement(loadTrust(`${bench.dir}/trust.json`), 'leak', String(envelope.data.statement), new Date())).toMatchObject({ innerDigest: digest, reportId: envelope.data.reportId });
    expect(tap.ofType('leak.reported').filter(({ envelope: e }) => e.data.innerDigest === digest)).toHaveLength(1);
    const [token, refusedAt] = [await issue(), new Date(Date.parse(String(envelope.data.reportedAt)) + 1_200).toISOString()];
    await bench.bus.say('issuer', 'stop.confirmed', { tokenId: token.tokenId, seq: 7, code: 'leaked', cause: String(envelope.data.reportId), stoppedAt: refusedAt, refusedAt, acknowledged: 3, fenced: 1 });
    const [alert] = await until(async () => {
      const { items } = (await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${token.tokenId}`, { sub: token.owner })).body;
      return items.length > 0 && items;
    }, 'the owner to be told');
    expect(alert).toMatchObject({ detector: 'leak', action: 'revoke', state: 'open', stop: { refusedAt, afterMs: 1_200, acknowledged: 3, fenced: 1 } });
    expect(alert?.explanation).toContain('https://example.com/a');
    const burnt = await issue();
    await bench.bus.say('issuer', 'stop.confirmed', { tokenId: burnt.tokenId, seq: 8, code: 'burned', reportedAt: envelope.data.reportedAt as string, stoppedAt: refusedAt, refusedAt, acknowledged: 1, fenced: 0 });
    await until(async () => (await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${burnt.tokenId}`, { sub: burnt.owner })).body.items[0]?.stop?.afterMs === 1_200, 'the wait to be told from when it was burnt');
    const everything = JSON.stringify([await sql('SELECT * FROM leak'), await sql('SELECT body FROM outbox'), tap.heard]);
    expect(everything).not.toContain(secret.slice(10, 50));
  });

  it('tells the owner that a second session claimed the secret (G10)', async () => {
    const { tokenId, owner } = await issue();
    await bench.bus.say('issuer', 'token.revoked', { tokenId, seq: 9, by: { kind: 'person' }, code: 'claimed-twice' });
    const alerts = async () => (await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${tokenId}`, { sub: owner })).body.items;
    await until(async () => (await alerts()).length === 1, 'the alert');
    expect(await alerts()).toMatchObject([{ detector: 'claim', action: 'revoke', state: 'open' }]);
  });

  it('raises the alarm over any use of a honeytoken, leaves it alive, and stops what else came from there', async () => {
    const [bait, honest, stolen, neighbour] = [await issue(), await established(), await established(), await established()];
    const admin = { sub: 'root', groups: ['admins'] };
    expect((await call('POST', '/v1/honeytokens', { sub: 'a', groups: ['auditors'] }, { tokenId: bait.tokenId })).status).toBe(403);
    expect((await call('POST', '/v1/honeytokens', admin, { tokenId: bait.tokenId })).status).toBe(204);
    const laid = await tap.next('monitoring.changed', (d) => d.change === 'honeytoken-marked');
    expect(JSON.stringify(laid.envelope)).not.toContain(bait.tokenId);
    expect(laid.envelope.data).toMatchObject({ by: { sub: 'root' }, mark: expect.stringMatching(/^[\w-]{43}$/) });
    expect(JSON.stringify(await sql('SELECT * FROM honeytoken'))).not.toContain(bait.tokenId);
    // Remembered for a day on servers that other runs share.
    const thief = { network: `10.${randomBytes(2).join('.')}.0/24`, agent: 'python' };
    await say(stolen.tokenId, [thief]);
    await say(neighbour.tokenId, [{ network: thief.network }]);
    await tap.next('misuse.detected', (d) => d.tokenId === neighbour.tokenId);
    await say(honest.tokenId, [{}]);
    await tap.next('misuse.detected', (d) => d.tokenId === stolen.tokenId);
    await say(bait.tokenId, [{ ...thief, code: 'EXPIRED' }]);
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === bait.tokenId);
    expect(data).toMatchObject({ detector: 'honeytoken', action: 'notify' });
    expect(data.explanation).toContain(stolen.tokenId);
    await noticesOf(String(data.alertId), ['/ops']);
    await tap.next('misuse.detected', (d) => d.tokenId === stolen.tokenId && d.detector === 'honeytoken-source' && d.action === 'suspend');
    await tap.next('trust.changed', (d) => d.ownerId === stolen.owner && d.code === 'honeytoken-source');
    await tap.next('misuse.detected', (d) => d.tokenId === neighbour.tokenId && d.detector === 'honeytoken-source' && d.action === 'notify');
    const later = await established();
    await say(later.tokenId, [thief]);
    await tap.next('misuse.detected', (d) => d.tokenId === later.tokenId && d.detector === 'honeytoken-source');
    expect(tap.ofType('misuse.detected').filter(({ envelope }) => envelope.data.tokenId === honest.tokenId)).toEqual([]);
    expect((await call<{ items: AlertView[] }>('GET', `/v1/alerts?token=${bait.tokenId}`, { sub: bait.owner })).body.items).toEqual([]);
    await call('POST', '/v1/honeytokens', admin, { tokenId: bait.tokenId, remove: true });
    expect(await sql('SELECT 1 FROM honeytoken')).toEqual([]);
  });

  it('lets an administrator hold one detector back, at once and in every replica', async () => {
    const { tokenId } = await established();
    const admin = { sub: 'root', groups: ['admins'] };
    const switchTo = (most: string) => call('POST', '/v1/detectors/burst-from-new-network', admin, { most, reason: 'a test' });
    expect((await call('POST', '/v1/detectors/burst-from-new-network', { sub: 'x', groups: ['reviewers'] }, { most: 'off', reason: 'mine' })).status).toBe(403);
    expect((await switchTo('off')).status).toBe(200);
    await tap.next('monitoring.changed', (d) => d.detector === 'burst-from-new-network' && d.most === 'off' && d.reason === 'a test');
    await say(tokenId, [{ ...theft, agent: 'billing' }]);
    await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.detector === 'rate');
    expect((await switchTo('revoke')).status).toBe(200);
    expect(tap.ofType('misuse.detected').filter(({ envelope: { data } }) => data.tokenId === tokenId && data.action === 'suspend')).toEqual([]);
  });

  it('does by itself what the active policy set says, and no more: the strictest rule that applies, and nothing unsigned (G10)', async () => {
    const [calm, fragile, other] = [await established(), await established(), await established()];
    await letStop(3, { id: 'fragile', reason: 'it pays the wages', most: 'notify', owners: [fragile.owner] }, { id: 'for-good', reason: 'bait', most: 'revoke', owners: [other.owner] });
    const late = await bench.sayResponse(2, []);
    await until(async () => (await sql('SELECT 1 FROM inbox WHERE message_id = $1', [late])).length === 1, 'the late activation to be handled');
    expect(await sql('SELECT activation FROM response')).toEqual([{ activation: 3 }]);
    for (const { tokenId } of [calm, fragile]) await say(tokenId, [theft]);
    await tap.next('misuse.detected', (d) => d.tokenId === calm.tokenId && d.action === 'suspend');
    const { envelope: { data } } = await tap.next('misuse.detected', (d) => d.tokenId === fragile.tokenId);
    expect(data).toMatchObject({ action: 'notify', detector: 'burst-from-new-network' });
    expect(data.explanation).toContain('Not stopped: rule fragile of the policy set allows no more than notify.');
    const forged = [{ id: 'all', reason: 'mine', most: 'revoke' }] as ResponseRule[];
    const id = await bench.bus.say('policy', 'policy.activated', { policyDigest: digestOf(forged), activation: 4, by: { iss: 'https://id.example', sub: 'mallory' }, loosened: false, response: forged, statement: signStatement(bench.signingKey('policy'), 'policy-set', { iat: 1, policyDigest: digestOf(forged), activation: 4 }) });
    await until(async () => (await sql('SELECT 1 FROM inbox_waiting WHERE message_id = $1', [id])).length === 1, 'the forged activation to be put aside');
    await sql('DELETE FROM inbox_waiting WHERE message_id = $1', [id]);
    const { body } = await call<{ items: DetectorView[] }>('GET', '/v1/detectors', { sub: 'anybody' });
    expect(body.items.find(({ detector }) => detector === 'rate')).toMatchObject({ most: 'revoke', otherwise: 'notify', rules: [{ id: 'stop' }, { id: 'fragile' }, { id: 'for-good' }] });
    await letStop(5);
  });

  it('proposes a smaller token where scopes were never used, once', async () => {
    const { tokenId, owner } = await established();
    await sql(`UPDATE token SET issued_at = now() - interval '31 days' WHERE token_id = $1`, [tokenId]);
    await service.app.get(NarrowJob).propose();
    const { envelope } = await tap.next('narrowing.proposed', (d) => d.tokenId === tokenId);
    expect(envelope.data).toMatchObject({ owner: { id: owner, team: 'orders' }, keep: ['orders:read'], drop: ['orders:write'], unusedDays: 30, resource: 'orders', environment: 'prod', expiresAt: expect.any(String) });
    await service.app.get(NarrowJob).propose();
    expect(await sql('SELECT 1 FROM narrowing WHERE token_id = $1', [tokenId])).toHaveLength(1);
    expect(tap.ofType('narrowing.proposed').filter(({ envelope: e }) => e.data.tokenId === tokenId)).toHaveLength(1);
  });

  it('proposes nothing where a gateway names no scopes, or another service introspects: nobody knows what those need', async () => {
    for (const blind of [{ scopes: [] }, { code: 'INTROSPECTED', scopes: [] }]) {
      const { tokenId, owner } = await established();
      await sql(`UPDATE token SET issued_at = now() - interval '31 days' WHERE token_id = $1`, [tokenId]);
      const proposal = async () => (await call<UsageView>('GET', `/v1/usage/${tokenId}`, { sub: owner })).body.narrowing;
      expect(await proposal()).toEqual({ keep: ['orders:read'], drop: ['orders:write'] });
      await say(tokenId, [blind]);
      await until(async () => (await proposal()) === undefined, 'the proposal to be taken back');
      await service.app.get(NarrowJob).propose();
      expect(await sql('SELECT 1 FROM narrowing WHERE token_id = $1', [tokenId])).toEqual([]);
    }
  });

  it('tells of alerts and of tokens that could be smaller by signed webhooks, once each, also after the receiver was away', async () => {
    const { tokenId, owner } = await established();
    receiver.isDown = true;
    await say(tokenId, [theft]);
    const { alertId } = (await tap.next('misuse.detected', (d) => d.tokenId === tokenId && d.action === 'suspend')).envelope.data;
    await until(async () => (await sql(`SELECT 1 FROM notice WHERE notice_id = $1 AND attempts = 1 AND last_error LIKE '%503%'`, [alertId])).length === 2, 'both targets to be away');
    await sql(`UPDATE alert SET proposed_at = now() - interval '11 minutes' WHERE alert_id = $1`, [alertId]);
    await say(tokenId, [theft]);
    await until(() => tap.ofType('misuse.detected').filter(({ envelope }) => envelope.data.alertId === alertId).length === 2, 'the stop to be asked for again');
    await sql(`UPDATE token SET issued_at = now() - interval '31 days' WHERE token_id = $1`, [tokenId]);
    await service.app.get(NarrowJob).propose();
    receiver.isDown = false;
    await sql('UPDATE notice SET next_at = now()');
    const [alert] = await noticesOf(String(alertId), ['/chat', '/ops']);
    expect(alert).toMatchObject({ type: 'alert.opened', data: { alertId, tokenId, owner: { id: owner, team: 'orders' }, detector: 'burst-from-new-network', action: 'suspend', state: 'open' } });
    const { envelope } = await tap.next('narrowing.proposed', (d) => d.tokenId === tokenId);
    expect(await noticesOf(envelope.id, ['/ops'])).toEqual([{ type: 'narrowing.proposed', timestamp: expect.any(String), data: envelope.data }]);
  });

  it('tells a team of an alert that came before its token’s issue once that is known, and nobody else again', async () => {
    const tokenId = newToken();
    await say(tokenId, Array.from({ length: 60 }, (_, i) => ({ at: Date.now() - 10 * day + i * 4 * 3_600_000, count: 20 })));
    await say(tokenId, [theft]);
    const { alertId } = (await tap.next('misuse.detected', (d) => d.tokenId === tokenId)).envelope.data;
    await noticesOf(String(alertId), ['/ops']);
    await issue('svc:late', undefined, tokenId);
    await until(async () => (await sql('SELECT 1 FROM token WHERE token_id = $1', [tokenId])).length === 1, 'the token to be known');
    await service.app.get(Transactions<'monitor'>).run((tx) => service.app.get(Alerts).adopt(tx));
    await noticesOf(String(alertId), ['/chat', '/ops']);
  });

  it('keeps what the log found wrong with itself, by kind', async () => {
    await bench.bus.say('audit', 'audit.finding', { origin: 'log.example', code: 'entry-differs', detail: 'The stored entry is not the published one.', entry: 7 });
    await until(async () => {
      const { body } = await call<{ items: { subject: string; facts: object }[] }>('GET', '/v1/watch', { sub: 'a', groups: ['auditors'] });
      return body.items.find(({ subject }) => subject === 'log-finding/entry-differs');
    }, 'the finding');
  });

  it('keeps when each part of the platform was last heard of', async () => {
    await bench.bus.say('audit', 'checkpoint.published', { origin: 'log.example', size: 9, root: 'cm9vdA==', publishedAt: new Date().toISOString(), cosignatures: 0 });
    const items = await until(async () => {
      const { body } = await call<{ items: { subject: string }[] }>('GET', '/v1/watch', { sub: 'a', groups: ['auditors'] });
      return body.items.some(({ subject }) => subject === 'log/log.example') && body.items.some(({ subject }) => subject === 'service/monitor') && body.items;
    }, 'the log’s head');
    expect(items).toContainEqual(expect.objectContaining({ subject: 'service/monitor', silent: false }));
  });
});
