import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { startService, type Service } from '@writ/service';
import { Tap, TestBench, until } from '@writ/testing';
import { makeId, requestDigest, verifyStatement, type Digest, type MisuseAction, type RequestId, type RequestStatus, type TokenId } from '@writ/contracts';
import { loadTrust } from '@writ/service';
import { RequestConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { RequestModule } from '../src/request.module.js';

interface Answer { requestId: string; status: string; code: string; thumbprint: string; items: object[] }

let bench: TestBench;
let service: Service;
let second: Service;
let events: Tap;
let outcomes: Tap;
const tokens: Record<string, string> = {};
const upstream = `ci-${process.pid}`;
const digest = `sha256:${'0'.repeat(64)}` as Digest;
const statement = 'a.b.c';

const body = (more: object = {}) => ({
  requester: { id: 'svc:billing-nightly', team: 'orders' }, reason: 'nightly export', resource: 'orders', scopes: ['orders:read'], environment: 'prod', ttl: 'P30D', delivery: { mode: 'claim' }, ...more,
});
let counter = 0;
const nextId = () => `sub-${process.pid}-${(counter += 1)}`;
const envelope = (data: unknown, id = nextId(), more: object = {}) => ({
  specversion: '1.0', id, source: `urn:writ:upstream:${upstream}`, type: 'writ.token.request', time: new Date().toISOString(), datacontenttype: 'application/json', data, ...more,
});
const publish = (value: unknown) => bench.bus.publish(upstream, 'writ.requests', 'token.request', Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)));

async function call(method: string, path: string, token?: string, json?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(service.url + path, {
    method, headers: { ...(token ? { authorization: `Bearer ${tokens[token]}` } : {}), ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: json === undefined ? undefined : typeof json === 'string' ? json : JSON.stringify(json),
  });
  return { status: answer.status, body: (await answer.json().catch(() => undefined)) as Answer, headers: answer.headers };
}

async function submitted(more: object = {}) {
  const id = nextId();
  await publish(envelope(body(more), id));
  const { envelope: { data } } = await events.next('request.submitted', ({ submissionId }) => submissionId === id);
  return { id, requestId: data.requestId as RequestId, data };
}
const statusOf = async (requestId: string) => (await call('GET', `/v1/requests/${requestId}`, 'admin')).body.status as RequestStatus;
let tokenCounter = 0;
const newTokenId = () => `tok_${String((tokenCounter += 1)).padStart(26, '0')}` as TokenId;
const issuedFacts = (requestId: RequestId, tokenId: TokenId) => ({
  tokenId, requestId, owner: { id: 'svc:billing-nightly', team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: 'svc:billing-nightly' }, resource: 'orders', audience: 'orders',
  scopes: ['orders:read'], environment: 'prod', issuedAt: '2026-01-01T00:00:00Z', expiresAt: '2027-01-01T00:00:00Z', delivery: { mode: 'claim' as const },
});
const decided = (requestId: RequestId) => ({ requestId, requestDigest: digest, policyDigest: digest, code: 'by-rule', because: [{ id: 'r1', reason: 'because' }], statement });

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) => permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]));
}

beforeAll(async () => {
  bench = await TestBench.create();
  const env = await bench.env('request', migrations, { WRIT_SUBMISSIONS_PER_SECOND: '10', WRIT_UPSTREAM_SUBMISSIONS_PER_SECOND: '25' });
  [service, second] = await Promise.all([1, 2].map(() => startService({ name: 'request', module: RequestModule, config: RequestConfig, env }))) as [Service, Service];
  events = await bench.bus.tap();
  outcomes = await bench.bus.tap('writ.outcomes', `${upstream}.#`);
  await bench.bus.addUpstream(upstream);
  tokens.admin = await bench.identity.token({ sub: 'ada', groups: ['admins'], team: 'platform' });
  tokens.alice = await bench.identity.token({ sub: 'alice', groups: ['requesters'], team: 'orders' });
  tokens.mallory = await bench.identity.token({ sub: 'mallory', groups: ['requesters'], team: 'evil' });
  tokens.owner = await bench.identity.token({ sub: 'svc:billing-nightly', team: 'orders' });
  tokens.speaker = await bench.identity.token({ sub: 'speaker', team: 'platform' });
  await call('POST', '/v1/upstreams', 'admin', { name: upstream, requesters: ['svc:*'], teams: [{ team: 'orders', environments: ['dev', 'prod'] }], subject: 'speaker' });
});
afterAll(async () => {
  await Promise.all([service?.close(), second?.close()]);
  await bench?.drop();
});

describe('a submission over AMQP', () => {
  it('becomes a signed request whose digest says exactly what was asked (G1)', async () => {
    const { data } = await submitted();
    expect(data).toMatchObject({ source: upstream, submitter: { iss: 'urn:writ:upstream', sub: upstream }, requester: { id: 'svc:billing-nightly', team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: 'svc:billing-nightly' }, audience: 'orders' });
    expect(requestDigest(data as never)).toBe(data.requestDigest);
    const trust = loadTrust(`${bench.dir}/trust.json`);
    expect(verifyStatement(trust, 'request', data.statement as string, new Date())).toMatchObject({ requestId: data.requestId, requestDigest: data.requestDigest });
  });

  it('says, signed, which request the token to be replaced was issued for, and when that token ends', async () => {
    const { requestId } = await submitted();
    const tokenId = newTokenId();
    await bench.bus.say('issuer', 'token.issued', issuedFacts(requestId, tokenId));
    await until(async () => (await statusOf(requestId)) === 'issued', 'the token');
    const { data } = await submitted({ replaces: tokenId });
    expect(verifyStatement(loadTrust(`${bench.dir}/trust.json`), 'request', data.statement as string, new Date())).toMatchObject({ replaces: { requestId, expiresAt: '2027-01-01T00:00:00Z' } });
  });

  it('is one request however often it comes, and each time its outcome is told, as one event (G2)', async () => {
    const { id, requestId } = await submitted();
    await bench.bus.say('policy', 'request.denied', decided(requestId));
    await outcomes.next('request.denied', (data) => data.requestId === requestId);
    await Promise.all([1, 2, 3].map(() => publish(envelope(body(), id))));
    await until(() => outcomes.ofType('request.denied').filter(({ envelope: { data } }) => data.requestId === requestId).length === 4, 'the outcome to be told again');
    expect(events.ofType('request.submitted').filter(({ envelope: { data } }) => data.submissionId === id)).toHaveLength(1);
    expect(new Set(outcomes.ofType('request.denied').filter(({ envelope: { data } }) => data.requestId === requestId).map(({ envelope }) => envelope.id)).size).toBe(1);
  });

  it('counts as the same whatever the order of its fields (G2)', async () => {
    const { id, requestId } = await submitted();
    await publish(envelope(Object.fromEntries(Object.entries(body()).reverse()), id));
    const again = await outcomes.next('request.submitted', (data) => data.submissionId === id);
    expect(again.envelope.data.requestId).toBe(requestId);
  });

  it('is refused under an id that had another body, and the first request stays (G2)', async () => {
    const { id, requestId } = await submitted();
    await publish(envelope(body({ scopes: ['orders:admin'] }), id));
    const refused = await outcomes.next('request.refused', (data) => data.submissionId === id);
    expect(refused.envelope.data.code).toBe('id-reused');
    expect(await statusOf(requestId)).toBe('submitted');
  });

  const proto = () => Buffer.from(JSON.stringify(envelope(body(), nextId())).replace('"reason"', '"__proto__":{"admin":true},"reason"'));
  it.each<[string, () => unknown, string]>([
    ['broken JSON', () => Buffer.from(`{ not json ${nextId()}`), 'malformed-json'],
    ['no UTF-8', () => Buffer.from([0x7b, 0xff, 0xfe, (counter += 1) & 0xff]), 'malformed-json'],
    ['64 KiB', () => envelope(body({ reason: 'x'.repeat(65_536) })), 'too-large'],
    ['ten thousand levels', () => Buffer.from(JSON.stringify(envelope('@')).replace('"@"', '['.repeat(10_000) + ']'.repeat(10_000))), 'malformed-envelope'],
    ['forty levels of objects', () => Buffer.from(JSON.stringify(envelope('@')).replace('"@"', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`)), 'malformed-envelope'],
    ['__proto__', proto, 'invalid-body'],
    ['a lone surrogate', () => envelope(body({ reason: 'x\ud800' })), 'invalid-body'],
    ['a lone surrogate in the id', () => envelope(body(), `${nextId()}\ud800`), 'malformed-envelope'],
    ['a NUL in the reason', () => envelope(body({ reason: 'x\u0000' })), 'invalid-body'],
    ['a NUL in the id', () => envelope(body(), `${nextId()}\u0000`), 'malformed-envelope'],
    ['a wrong type', () => envelope(body({ scopes: 'orders:read' })), 'invalid-body'],
    ['an unknown field', () => envelope(body({ approved: true })), 'invalid-body'],
    ['an unknown version', () => envelope(body(), nextId(), { specversion: '2.0' }), 'malformed-envelope'],
    ['another event type', () => envelope(body(), nextId(), { type: 'writ.request.approved' }), 'wrong-type'],
    ['a foreign source', () => envelope(body(), nextId(), { source: 'urn:writ:upstream:other' }), 'wrong-source'],
    ['a past end', () => envelope(body({ ttl: undefined, expiresAt: '2020-01-01T00:00:00Z' })), 'expiry-in-the-past'],
    ['an absurd end', () => envelope(body({ ttl: 'P99999D' })), 'expiry-too-far'],
    ['two ends', () => envelope(body({ expiresAt: '2099-01-01T00:00:00Z' })), 'invalid-body'],
    ['no end', () => envelope(body({ ttl: undefined })), 'invalid-body'],
    ['a foreign team', () => envelope(body({ requester: { id: 'svc:a', team: 'billing' } })), 'team-mismatch'],
    ['a foreign requester', () => envelope(body({ requester: { id: 'alice' } })), 'requester-not-allowed'],
    ['a foreign environment', () => envelope(body({ environment: 'staging' })), 'environment-not-allowed'],
    ['an unknown sealing key', () => envelope(body({ delivery: { mode: 'sealed', keyId: 'nobodys' } })), 'sealing-key-unknown'],
    ['a token to replace that is not the requester’s', () => envelope(body({ replaces: newTokenId() })), 'replaces-unknown'],
  ])('with %s is refused to its sender and recorded once, and the next one is taken (G9, G11)', async (_, make, code) => {
    const before = outcomes.ofType('request.refused').length;
    const bad = make();
    await publish(bad);
    await until(() => outcomes.ofType('request.refused').length >= before + 1, 'the refusal to be told');
    await publish(bad);
    await until(() => outcomes.ofType('request.refused').length >= before + 2, 'two refusals to be told');
    const told = outcomes.ofType('request.refused').slice(before);
    expect(told.map(({ envelope: { data } }) => data.code)).toEqual([code, code]);
    expect(told[0]!.routingKey).toBe(`${upstream}.request.refused`);
    await submitted();
    const recorded = events.ofType('request.refused').filter(({ envelope: { data } }) => data.bodyDigest === told[0]!.envelope.data.bodyDigest);
    expect(recorded.map(({ envelope: { data } }) => [data.code, data.source])).toEqual([[code, upstream]]);
    expect(await bench.database('request').query('SELECT * FROM inbox_waiting')).toEqual([]);
  });

  it('of an upstream that nobody registered is refused (G10)', async () => {
    const stranger = `stranger-${process.pid}`;
    const itsOutcomes = await bench.bus.tap('writ.outcomes', `${stranger}.#`);
    await bench.bus.addUpstream(stranger);
    const sent = envelope(body(), nextId(), { source: `urn:writ:upstream:${stranger}` });
    await bench.bus.publish(stranger, 'writ.requests', 'token.request', Buffer.from(JSON.stringify(sent)));
    const refused = await itsOutcomes.next('request.refused', ({ submissionId }) => submissionId === sent.id);
    expect(refused.envelope.data.code).toBe('upstream-unknown');
    expect(refused.routingKey).toBe(`${stranger}.request.refused`);
  });

  it('with a sealing key binds the key’s thumbprint into the digest (G10)', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { owner: 'svc:billing-nightly', keyId: 'k1', jwk: publicKey.export({ format: 'jwk' }) };
    const registered = await call('POST', '/v1/sealing-keys', 'admin', key);
    expect(registered.status).toBe(201);
    const { data } = await submitted({ delivery: { mode: 'sealed', keyId: 'k1' } });
    expect(data).toMatchObject({ deliveryKeyThumbprint: registered.body.thumbprint, deliveryKey: { kty: 'EC', crv: 'P-256' } });
    await publish(envelope(body({ requester: { id: 'svc:other' }, delivery: { mode: 'sealed', keyId: 'k1' } })));
    await outcomes.next('request.refused', ({ code, problems }) => code === 'sealing-key-unknown' && Array.isArray(problems));
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    expect((await call('POST', '/v1/sealing-keys', 'admin', { ...key, jwk: other })).body.code).toBe('key-id-taken');
  });

  it('of a batch costs no other its place: 300 with bad ones among them all get their answer (G2, G11)', async () => {
    const ids = Array.from({ length: 300 }, nextId);
    await Promise.all(ids.map((id, i) => publish(envelope(body(i % 10 === 0 ? { reason: '\u0000' } : {}), id))));
    await until(() => ids.every((id, i) => (i % 10 === 0 ? outcomes.ofType('request.refused') : events.ofType('request.submitted')).some(({ envelope: { data } }) => data.submissionId === id)), 'all answers', 20_000);
  });

  it('of an upstream beyond its share is told to wait and leaves no record, and others are taken (G11)', async () => {
    const flooder = `flood-${process.pid}`;
    await bench.bus.addUpstream(flooder);
    const told = await bench.bus.tap('writ.outcomes', `${flooder}.#`);
    const flood = Promise.all(Array.from({ length: 1_500 }, () => bench.bus.publish(flooder, 'writ.requests', 'token.request', Buffer.from(JSON.stringify(envelope({ junk: true }))))));
    expect((await submitted()).requestId).toMatch(/^req_/);
    await flood;
    await until(() => told.ofType('request.refused').length === 1_500, 'a word about each');
    const late = told.ofType('request.refused').filter(({ envelope: { data } }) => data.code === 'rate-limited');
    expect(late.length).toBeGreaterThan(100);
    expect(late.every(({ envelope: { data } }) => Number(data.retryAfterMs) > 0 && typeof data.submissionId === 'string')).toBe(true);
    expect(await bench.database('request').query('SELECT 1 FROM refusal WHERE refusal_key LIKE $1', [`${flooder}/%`])).toHaveLength(1_500 - late.length);
  });
});

it('an upstream that does not listen holds nothing up: its outcomes are kept for seconds, and told again when it asks again (G11)', async () => {
  const deaf = `deaf-${process.pid}`;
  await bench.bus.addUpstream(deaf);
  await bench.bus.publish(deaf, 'writ.requests', 'token.request', Buffer.from('{'));
  const unsent = () => bench.database('request').query('SELECT u.id IS NOT NULL AS waits, u.attempts FROM outbox LEFT JOIN outbox_unsent u USING (id) WHERE routing_key = $1', [`${deaf}.request.refused`]);
  await until(async () => (await unsent()).some(({ waits, attempts }) => waits && attempts === 1), 'the first attempt');
  await until(async () => (await unsent()).every(({ waits }) => !waits), 'the last attempt');
});

describe('a request', () => {
  const steps: [string, (requestId: RequestId, tokenId: TokenId) => Promise<unknown>][] = [
    ['request.held', (requestId) => bench.bus.say('policy', 'request.held', { ...decided(requestId), require: [{ group: 'security', approvers: 2 }], lapsesAt: '2027-01-01T00:00:00Z' })],
    ['request.approved', (requestId) => bench.bus.say('policy', 'request.approved', { ...decided(requestId), grant: { scopes: ['orders:read'], ttlSeconds: 86_400, rotateSeconds: 3_600 }, require: [], votes: [] })],
    ['token.issued', (requestId, tokenId) => bench.bus.say('issuer', 'token.issued', issuedFacts(requestId, tokenId))],
    ['token.delivered', (requestId, tokenId) => bench.bus.say('issuer', 'token.delivered', { tokenId, requestId, generation: 1, claimant: { iss: 'x', sub: 'y' }, claims: 1 })],
  ];

  it('ends delivered with its decision in every order of its events, repetitions among them (G2)', async () => {
    await Promise.all(permutations([0, 1, 2, 3]).map(async (order) => {
      const { requestId } = await submitted();
      const tokenId = newTokenId();
      for (const i of [...order, order[0]!]) await steps[i]![1](requestId, tokenId);
      for (const [type] of steps) await outcomes.next(type, (data) => data.requestId === requestId);
      const { body: answer } = await call('GET', `/v1/requests/${requestId}`, 'owner');
      expect(answer).toMatchObject({ requestId, status: 'delivered', tokenId, decision: { outcome: 'approve', code: 'by-rule', obligations: { scopes: ['orders:read'], ttl: 'P1D', rotate: 'PT1H' } } });
    }));
  });

  it('stays denied after a denial, held notices or not, and ends with its lapse (G2)', async () => {
    const [denied, lapsed] = [await submitted(), await submitted()];
    await bench.bus.say('policy', 'request.denied', decided(denied.requestId));
    await bench.bus.say('policy', 'request.lapsed', { requestId: lapsed.requestId, requestDigest: digest, lapsedAt: '2026-01-01T00:00:00Z' });
    for (const { requestId } of [denied, lapsed]) await steps[0]![1](requestId, newTokenId());
    await until(async () => (await statusOf(denied.requestId)) === 'denied' && (await statusOf(lapsed.requestId)) === 'lapsed', 'both ends');
    await outcomes.next('request.held', (data) => data.requestId === lapsed.requestId);
    expect([await statusOf(denied.requestId), await statusOf(lapsed.requestId)]).toEqual(['denied', 'lapsed']);
  });

  it('tells what became of its token, also where that was heard first (G2)', async () => {
    const { requestId } = await submitted();
    const tokenId = newTokenId();
    await bench.bus.say('issuer', 'token.revoked', { tokenId, seq: 1, by: { kind: 'person' }, code: 'by-owner' });
    await until(async () => (await bench.database('request').query('SELECT 1 FROM early_event WHERE token_id = $1', [tokenId])).length === 1, 'the early event to wait');
    await steps[2]![1](requestId, tokenId);
    const told = await outcomes.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(told.envelope.data).toMatchObject({ requestId, code: 'by-owner' });
    expect(told.routingKey).toBe(`${upstream}.token.revoked`);
  });

  it('tells its upstream of misuse of its token, and nothing of notes, of bait, or of what the issuer is asked to do', async () => {
    const { requestId } = await submitted();
    const tokenId = newTokenId();
    await steps[2]![1](requestId, tokenId);
    const misuse = (detector: string, action: MisuseAction) => bench.bus.say('monitor', 'misuse.detected', {
      alertId: makeId('alr', Date.now(), randomBytes(10)), tokenId, detector, action, explanation: 'First use by curl.', observedAt: '2026-01-31T12:00:00Z', statement: 'a.b.c',
    });
    await misuse('new-network', 'note');
    await misuse('honeytoken', 'notify');
    await misuse('new-caller', 'notify');
    const { envelope: { data } } = await outcomes.next('misuse.detected', (told) => told.tokenId === tokenId);
    expect(data).toMatchObject({ requestId, detector: 'new-caller', action: 'notify', explanation: 'First use by curl.' });
    expect(JSON.stringify(data)).not.toContain('a.b.c');
    expect(outcomes.ofType('misuse.detected')).toHaveLength(1);
  });

  it('is withdrawn by its owner until the token exists, and nobody else sees it (G10)', async () => {
    const { requestId } = await submitted();
    expect((await call('GET', `/v1/requests/${requestId}`, 'mallory')).status).toBe(404);
    expect((await call('DELETE', `/v1/requests/${requestId}`, 'mallory')).status).toBe(404);
    expect((await call('DELETE', `/v1/requests/${requestId}`, 'owner')).body.status).toBe('cancelled');
    expect((await call('DELETE', `/v1/requests/${requestId}`, 'owner')).status).toBe(200);
    await events.next('request.cancelled', (data) => data.requestId === requestId);
    const issued = await submitted();
    await steps[2]![1](issued.requestId, newTokenId());
    await until(async () => (await statusOf(issued.requestId)) === 'issued', 'the token');
    expect((await call('DELETE', `/v1/requests/${issued.requestId}`, 'owner')).body.code).toBe('already-issued');
  });
});

describe('a request over HTTP', () => {
  const mine = (more: object = {}) => body({ requester: { id: 'alice' }, ...more });

  it('is taken for the caller with the team of the sign-in (G10)', async () => {
    const answer = await call('POST', '/v1/requests', 'alice', mine());
    expect(answer).toMatchObject({ status: 202, body: { status: 'submitted' } });
    const { envelope: { data } } = await events.next('request.submitted', ({ requestId }) => requestId === answer.body.requestId);
    expect(data).toMatchObject({ source: 'http', requester: { id: 'alice', team: 'orders' }, submitter: { iss: bench.identity.issuer, sub: 'alice' }, claimant: { sub: 'alice' } });
    const list = await call('GET', '/v1/requests?status=submitted&limit=1', 'alice');
    expect(list.body.items).toMatchObject([{ requestId: answer.body.requestId }]);
    expect((await call('GET', '/v1/requests', 'mallory')).body.items).toEqual([]);
  });

  it('is one request per idempotency key (G2)', async () => {
    const key = { 'idempotency-key': nextId() };
    const [first, again] = [await call('POST', '/v1/requests', 'alice', mine(), key), await call('POST', '/v1/requests', 'alice', mine(), key)];
    expect(again.body.requestId).toBe(first.body.requestId);
    await bench.database('request').query('DELETE FROM idempotency');
    expect((await call('POST', '/v1/requests', 'alice', mine(), key)).body.requestId).toBe(first.body.requestId);
    expect((await call('POST', '/v1/requests', 'mallory', { ...mine(), requester: { id: 'mallory' } }, key)).body.requestId).not.toBe(first.body.requestId);
  });

  it('speaks for others only where the registry lets it, and never as another team (G10)', async () => {
    expect((await call('POST', '/v1/requests', 'speaker', body())).status).toBe(202);
    for (const [token, data, code] of [['alice', body(), 'requester-not-allowed'], ['alice', mine({ requester: { id: 'alice', team: 'billing' } }), 'team-mismatch'], ['speaker', body({ environment: 'stage' }), 'environment-not-allowed']] as const) {
      const refused = await call('POST', '/v1/requests', token, data);
      expect(refused).toMatchObject({ status: 403, body: { code } });
      await events.next('request.refused', (event) => event.code === code && event.source === 'http');
    }
  });

  it('beyond the caller’s share is told to wait and leaves no record, and others go on (G11)', async () => {
    const junk = await Promise.all(Array.from({ length: 260 }, (_, i) => call('POST', '/v1/requests', 'mallory', { junk: i })));
    const late = junk.filter(({ status }) => status === 429);
    expect(late.length).toBeGreaterThan(0);
    expect(late[0]).toMatchObject({ body: { code: 'rate-limited' } });
    expect(late[0]?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    const kept = await bench.database('request').query(`SELECT 1 FROM refusal WHERE refusal_key LIKE 'http/mallory/%'`);
    expect(kept).toHaveLength(junk.length - late.length);
    expect((await call('POST', '/v1/requests', 'alice', mine())).status).toBe(202);
  });

  it('answers bad input with a problem document and records it (G9)', async () => {
    const refused = await call('POST', '/v1/requests', 'alice', mine({ scopes: [], __proto: 1 }));
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-body' } });
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(refused.headers.get('x-audit-receipt')).toMatch(/^evt_/);
    const recorded = async (code: string) => (await events.next('request.refused', (data) => data.code === code && data.source === 'http')).envelope.data.submitter;
    expect(await call('POST', '/v1/requests', 'alice', '{ not json')).toMatchObject({ status: 400, body: { code: 'malformed-json' } });
    expect(await recorded('malformed-json')).toEqual({ iss: bench.identity.issuer, sub: 'alice' });
    expect(await call('POST', '/v1/requests', 'alice', mine({ reason: 'x'.repeat(70_000) }))).toMatchObject({ status: 413, body: { code: 'too-large' } });
    expect(await recorded('too-large')).toMatchObject({ sub: 'alice' });
    expect((await call('POST', '/v1/requests', 'alice', JSON.stringify(mine()).replace('{', '{"__proto__":{},'))).body.code).toBe('invalid-body');
    expect((await call('POST', '/v1/requests', 'alice', 'x'.repeat(1_100_000))).status).toBe(413);
    expect((await call('POST', '/v1/upstreams', 'admin', { name: 'x'.repeat(70_000) })).status).toBe(413);
    expect((await call('POST', '/v1/upstreams', 'admin', '{ not json')).body.code).toBe('malformed-request');
    expect((await call('POST', '/v1/requests', undefined, '{ not json')).status).toBe(401);
  });

  it('needs a sign-in, and the registry an admin (G10)', async () => {
    expect((await call('POST', '/v1/requests', undefined, mine())).status).toBe(401);
    expect((await call('GET', '/v1/requests')).status).toBe(401);
    expect((await call('POST', '/v1/upstreams', 'alice', {})).status).toBe(403);
    expect((await call('GET', '/v1/upstreams', 'admin')).body.items).toHaveLength(1);
  });
});
