import { loadTrust } from '@writ/service';
import { join } from 'node:path';
import { digestOf, verifyStatement, type DecisionClaims, type PolicySetClaims } from '@writ/contracts';
import type { Tap } from '@writ/testing';
import { until } from '@writ/testing';
import { filesWithDevDays, setFiles, submitted, World, type Wish } from './set-up.js';

let world: World;
let tap: Tap;

beforeAll(async () => {
  world = await World.create();
  tap = await world.bench.bus.tap();
});
afterAll(() => world.drop());

const prodWrite = { scopes: ['orders:write'], environment: 'prod', ttl: 'P7D' };
const trust = () => loadTrust(join(world.bench.dir, 'trust.json'));
const of = (request: { requestId: string }) => (data: Record<string, unknown>) => data.requestId === request.requestId;
const vote = (who: 'reviewer' | 'reviewer2' | 'requester' | 'outsider', requestId: string, body: object = {}) =>
  world.call(who, 'POST', `/v1/reviews/${requestId}/votes`, { vote: 'approve', reason: 'looks right', ...body });

describe('before any policy set', () => {
  it('lets requests wait and approves nothing, then answers each under the first set (G9)', async () => {
    const early = await world.submit();
    await until(async () => (await world.rows(`SELECT 1 FROM request WHERE request_id = $1 AND state = 'waiting'`, [early.requestId])).length === 1, 'the request to wait');
    expect(tap.ofType('request.approved')).toHaveLength(0);
    const digest = await world.upload(setFiles());
    const { status, body } = await world.activate('admin2', digest);
    expect([status, body.state, body.activation]).toEqual([200, 'active', 1]);
    const activated = await tap.next('policy.activated');
    expect(verifyStatement(trust(), 'policy-set', String(activated.envelope.data.statement), new Date())).toMatchObject({ policyDigest: digest, activation: 1 } satisfies Partial<PolicySetClaims>);
    const response = [{ id: 'thieves', reason: 'only thieves do this', detectors: ['rate'], scopes: ['orders:read'], most: 'suspend' }];
    expect(activated.envelope.data.response).toEqual(response);
    expect(verifyStatement(trust(), 'policy-set', String(activated.envelope.data.statement), new Date())).toMatchObject({ responseDigest: digestOf(response) });
    const approved = await tap.next('request.approved', of(early));
    expect(approved.envelope.data).toMatchObject({ policyDigest: digest, code: 'auto-approved' });
  });
});

describe('a decision', () => {
  it('approves what a rule approves, says why, and signs what may be issued (G1)', async () => {
    const request = await world.submit({ scopes: ['orders:read'], ttl: 'P30D' });
    const { envelope: { data } } = await tap.next('request.approved', of(request));
    expect(data).toMatchObject({ because: [{ id: 'dev-read' }], votes: [], require: [], grant: { scopes: ['orders:read'], ttlSeconds: 2_592_000, rotateSeconds: 2_592_000 } });
    const claims = verifyStatement(trust(), 'decision', String(data.statement), new Date()) as DecisionClaims;
    expect(claims).toMatchObject({ requestId: request.requestId, requestDigest: request.requestDigest, outcome: 'approve', activation: 1, grant: data.grant });
    expect(claims.exp).toBeGreaterThan(claims.iat);
  });

  it('holds what people must look at, with the nearest request that needs nobody', async () => {
    const request = await world.submit(prodWrite);
    const { envelope: { data } } = await tap.next('request.held', of(request));
    expect(data).toMatchObject({ code: 'review-required', because: [{ id: 'prod-write' }], require: [{ group: 'security', approvers: 2 }] });
    const waitHours = (Date.parse(String(data.lapsesAt)) - Date.now()) / 3_600_000;
    expect(waitHours).toBeGreaterThan(3.9);
    expect(waitHours).toBeLessThan(4.1);
    const nearest = data.nearest as { scopes: string[]; environment: string; ttl: string };
    const again = await world.submit(nearest);
    await tap.next('request.approved', of(again));
  });

  it('never leaves a denial without its reason', async () => {
    const request = await world.submit({ scopes: ['orders:everything'] });
    expect((await tap.next('request.denied', of(request))).envelope.data).toMatchObject({ code: 'unknown-scope', because: [{ id: 'unknown-scope', reason: '"orders" has no scope "orders:everything"' }] });
    const long = await world.submit({ ttl: 'P400D' });
    const { envelope: { data } } = await tap.next('request.denied', of(long));
    expect(data).toMatchObject({ code: 'forbidden', because: [{ id: 'year', reason: 'no token lives longer than a year' }] });
    expect(data.nearest).toMatchObject({ ttl: 'P30D' });
  });

  it('answers a request once, however often it is said (G2)', async () => {
    const request = await world.submit();
    await tap.next('request.approved', of(request));
    await world.bench.bus.say('request', 'request.submitted', request);
    await world.bench.bus.say('request', 'request.submitted', request);
    const after = await world.submit();
    await tap.next('request.approved', of(after));
    await until(async () => (await world.rows('SELECT 1 FROM inbox')).length >= 4, 'the repetitions to be handled');
    expect(tap.ofType('request.approved').filter(({ envelope }) => of(request)(envelope.data))).toHaveLength(1);
  });

  it('answers nothing that was changed on its way, and parks it (G1)', async () => {
    const honest = submitted(world.bench.signingKey('request'));
    const widened = { ...honest, scopes: ['orders:read', 'orders:admin'] };
    const stolen = { ...submitted(world.bench.signingKey('request')), statement: honest.statement };
    const selfMade = submitted(world.bench.signingKey('policy'));
    for (const request of [widened, stolen, selfMade]) await world.bench.bus.say('request', 'request.submitted', request);
    const waiting = () => world.rows<{ code: string }>('SELECT code FROM inbox_waiting ORDER BY code');
    await until(async () => (await waiting()).length === 3, 'all three to be set aside');
    const errors = (await waiting()).map(({ code }) => code).join('\n');
    expect(errors).toMatch(/request-digest-differs/);
    expect(errors).toMatch(/statement-for-another-request/);
    expect(errors).toMatch(/statement-wrong-purpose/);
    expect(await world.rows('SELECT 1 FROM decision WHERE request_id = ANY($1)', [[widened.requestId, stolen.requestId, selfMade.requestId]])).toHaveLength(0);
  });

  it('uses what the monitor says of an owner, the newest version only', async () => {
    const say = (version: number, openIncidents: number) => world.bench.bus.say('monitor', 'trust.changed', {
      ownerId: 'svc:orders-suspect', team: 'orders', openIncidents, version, code: 'incident-opened', since: '2026-01-01T00:00:00Z',
    });
    await say(2, 1);
    await say(1, 0);
    await until(async () => (await world.rows(`SELECT 1 FROM trust WHERE version = 2`)).length === 1, 'the newest version');
    const request = await world.submit({ requester: 'svc:orders-suspect' });
    const { envelope: { data } } = await tap.next('request.held', of(request));
    expect((data.because as { id: string }[]).map(({ id }) => id)).toContain('open-incident');
    expect((await world.call('reviewer', 'GET', `/v1/reviews/${request.requestId}`)).body).toMatchObject({ openIncidents: 1, trust: 'watched' });
  });

  it('is the same on every path: by HTTP or an upstream, sealed or claimed, new or replacing a token (G9)', async () => {
    const upstream = { iss: 'urn:writ:upstream', sub: 'ci' };
    const ways: Wish[] = [
      {}, { source: 'ci', submitter: upstream }, { source: 'ci', submitter: upstream, claimant: upstream }, { delivery: { mode: 'sealed', keyId: 'k1' } },
      { replaces: 'tok_0000000000000000000000000a' }, { expiresAt: new Date(Date.now() + 7 * 86_400_000).toISOString() },
    ];
    for (const way of ways) {
      const { envelope: { data } } = await tap.next('request.held', of(await world.submit({ ...prodWrite, ...way })));
      expect(data).toMatchObject({ code: 'review-required', require: [{ group: 'security', approvers: 2 }] });
    }
  });

  it('approves by itself what only shrinks a right that was approved here, and nothing that only says so (G1, G9)', async () => {
    const wide = await world.submit({ scopes: ['orders:read', 'orders:write'], environment: 'prod', ttl: 'PT12H' });
    await tap.next('request.held', of(wide));
    for (const who of ['reviewer', 'reviewer2'] as const) expect((await vote(who, wide.requestId)).status).toBe(200);
    await tap.next('request.approved', of(wide));
    const expiresAt = new Date(Date.now() + 11 * 3_600_000).toISOString();
    const smaller: Wish = { environment: 'prod', expiresAt, replaces: 'tok_0000000000000000000000000a', replaced: { requestId: wide.requestId, expiresAt } };
    const shrinking = await world.submit(smaller);
    const { envelope: { data } } = await tap.next('request.approved', of(shrinking));
    expect(data).toMatchObject({ because: [{ id: 'shrinking' }], grant: { scopes: ['orders:read'] }, votes: [] });
    expect(verifyStatement(trust(), 'decision', String(data.statement), new Date())).toMatchObject({ shrinks: smaller.replaces });
    const others: Wish[] = [
      { replaced: undefined }, { requester: 'svc:orders-other' }, { scopes: ['orders:read', 'orders:write'] }, { expiresAt: new Date(Date.parse(expiresAt) + 1).toISOString() },
      { replaced: { requestId: (await world.submit()).requestId, expiresAt } },
    ];
    for (const other of others) await tap.next('request.held', of(await world.submit({ ...smaller, ...other })));
  });

  it('keeps the record of every decision unchangeable, and replays it bit for bit', async () => {
    const request = await world.submit(prodWrite);
    await tap.next('request.held', of(request));
    const { body } = await world.call('auditor', 'GET', `/v1/decisions/${request.requestId}`);
    expect(body.items[0]!.record).toMatchObject({ outcome: 'hold', engineVersion: expect.stringMatching(/^cedar /), input: { resource: 'orders' }, inputDigest: expect.stringMatching(/^sha256:/) });
    expect((await world.call('auditor', 'GET', `/v1/decisions/${request.requestId}/replay`)).body).toEqual({ same: true, differences: [] });
    await expect(world.rows('UPDATE decision SET outcome = $1 WHERE request_id = $2', ['approve', request.requestId])).rejects.toThrow(/append-only/);
    await expect(world.rows('DELETE FROM vote')).rejects.toThrow(/append-only/);
  });
});

describe('a withdrawal', () => {
  it('may come before its request, which is then never answered', async () => {
    const request = submitted(world.bench.signingKey('request'));
    await world.bench.bus.say('request', 'request.cancelled', { requestId: request.requestId, requestDigest: request.requestDigest, by: request.claimant });
    await until(async () => (await world.rows(`SELECT 1 FROM request WHERE request_id = $1 AND state = 'cancelled'`, [request.requestId])).length === 1, 'the withdrawal');
    await world.bench.bus.say('request', 'request.submitted', request);
    await tap.next('request.approved', of(await world.submit()));
    expect(await world.rows('SELECT 1 FROM decision WHERE request_id = $1', [request.requestId])).toHaveLength(0);
  });

  it('ends a review, and a vote that comes later is refused by name', async () => {
    const request = await world.submit(prodWrite);
    await tap.next('request.held', of(request));
    await world.bench.bus.say('request', 'request.cancelled', { requestId: request.requestId, requestDigest: request.requestDigest, by: request.claimant });
    await until(async () => (await world.call('reviewer', 'GET', `/v1/reviews/${request.requestId}`)).body.status === 'cancelled', 'the review to end');
    const { status, body } = await vote('reviewer', request.requestId);
    expect([status, body.code]).toEqual([409, 'request-cancelled']);
  });
});

describe('a review', () => {
  const hold = async (wish: object = prodWrite) => {
    const request = await world.submit(wish);
    await tap.next('request.held', of(request));
    return request;
  };

  it('is approved by so many distinct people, each with a signed vote bound to the digest (G1)', async () => {
    const request = await hold();
    const first = await vote('reviewer', request.requestId);
    expect(first.body).toMatchObject({ status: 'open', require: [{ group: 'security', approvers: 2, remaining: 1 }], mayVote: false, whyNot: 'already-voted' });
    expect((await vote('reviewer', request.requestId)).body.code).toBe('already-voted');
    const second = await vote('reviewer2', request.requestId);
    expect(second.body.status).toBe('approved');
    const { envelope: { data } } = await tap.next('request.approved', of(request));
    expect(data).toMatchObject({ code: 'approved-by-review', require: [{ group: 'security', approvers: 2 }], grant: { scopes: ['orders:write'], ttlSeconds: 86_400 } });
    const votes = (data.votes as string[]).map((jws) => verifyStatement(trust(), 'vote', jws, new Date()));
    expect(votes).toMatchObject([{ reviewer: { sub: 'dev-reviewer' }, requestDigest: request.requestDigest }, { reviewer: { sub: 'dev-reviewer2' }, requestDigest: request.requestDigest }]);
    expect(tap.ofType('review.recorded').filter(({ envelope }) => of(request)(envelope.data))).toHaveLength(2);
  });

  it('narrows and never widens', async () => {
    const request = await hold({ ...prodWrite, scopes: ['orders:read', 'orders:write'] });
    expect((await vote('reviewer', request.requestId, { narrow: { scopes: ['orders:admin'] } })).body.code).toBe('not-narrower');
    const end = new Date(Date.now() + 3_600_000).toISOString();
    await vote('reviewer', request.requestId, { narrow: { scopes: ['orders:read'] } });
    await vote('reviewer2', request.requestId, { narrow: { expiresAt: end } });
    const { envelope: { data } } = await tap.next('request.approved', of(request));
    expect(data.grant).toMatchObject({ scopes: ['orders:read'], expiresAt: end, ttlSeconds: 86_400 });
  });

  it('denies what votes narrowed to nothing', async () => {
    const request = await hold({ ...prodWrite, scopes: ['orders:read', 'orders:write'] });
    await vote('reviewer', request.requestId, { narrow: { scopes: ['orders:read'] } });
    await vote('reviewer2', request.requestId, { narrow: { scopes: ['orders:write'] } });
    expect(tap.ofType('request.approved').some(({ envelope }) => of(request)(envelope.data))).toBe(false);
    expect((await tap.next('request.denied', of(request))).envelope.data).toMatchObject({ code: 'narrowed-to-nothing' });
  });

  it('ends with one denial', async () => {
    const request = await hold();
    expect((await vote('reviewer', request.requestId, { vote: 'deny', reason: 'no change window' })).body.status).toBe('denied');
    expect((await tap.next('request.denied', of(request))).envelope.data).toMatchObject({ code: 'denied-by-reviewer' });
    expect((await vote('reviewer2', request.requestId)).body.code).toBe('already-decided');
  });

  it('refuses the requester, strangers to the group, and an old sign-in (G10)', async () => {
    const request = await hold();
    const { identity } = world.bench;
    const path = `/v1/reviews/${request.requestId}/votes`;
    const body = { vote: 'approve', reason: 'fine' };
    const self = await identity.token({ sub: 'dev-requester', groups: ['reviewers', 'security'] });
    expect((await world.call({ bearer: self }, 'POST', path, body)).body.code).toBe('own-request');
    expect((await vote('outsider', request.requestId)).body.code).toBe('not-in-a-group');
    expect((await vote('requester', request.requestId)).status).toBe(403);
    const old = await identity.token({ sub: 'dev-reviewer', groups: ['reviewers', 'security'], signedInAgo: 3_600 });
    expect((await world.call({ bearer: old }, 'POST', path, body)).body.code).toBe('step-up-needed');
    const machine = await identity.token({ sub: 'bot', clientId: 'bot', groups: ['reviewers', 'security'] });
    expect((await world.call({ bearer: machine }, 'POST', path, body)).body.code).toBe('not-a-person');
    expect(await world.rows('SELECT 1 FROM vote WHERE request_id = $1', [request.requestId])).toHaveLength(0);
  });

  it('shows requester and reviewer who can approve, and strangers nothing', async () => {
    const request = await hold();
    const path = `/v1/reviews/${request.requestId}`;
    expect((await world.call('requester', 'GET', path)).body).toMatchObject({ require: [{ group: 'security', approvers: 2, remaining: 2 }], mayVote: false, whyNot: 'own-request' });
    expect((await world.call('reviewer', 'GET', path)).body).toMatchObject({ mayVote: true, reason: 'nightly export', grant: { ttlSeconds: 86_400 } });
    const stranger = await world.bench.identity.token({ sub: 'somebody', groups: ['requesters'] });
    expect((await world.call({ bearer: stranger }, 'GET', path)).status).toBe(404);
    const open = await world.call('reviewer', 'GET', '/v1/reviews?status=open&limit=1');
    expect(open.body.items).toHaveLength(1);
    expect(open.body.next).toBe(open.body.items[0]!.requestId);
  });

  it('lapses when nobody decides in time, is still there to be read, and takes no vote any more', async () => {
    const request = await hold();
    await world.rows(`UPDATE request SET lapses_at = now() WHERE request_id = $1`, [request.requestId]);
    await tap.next('request.lapsed', of(request));
    expect((await vote('reviewer', request.requestId)).body.code).toBe('request-lapsed');
    expect((await world.call('auditor', 'GET', `/v1/reviews/${request.requestId}`)).body).toMatchObject({ status: 'lapsed', reason: 'nightly export' });
    expect((await world.call('auditor', 'GET', `/v1/decisions/${request.requestId}`)).body.items).toHaveLength(1);
    expect((await world.call('auditor', 'GET', '/v1/reviews?status=closed')).body.items.map(({ requestId }) => requestId)).toContain(request.requestId);
  });
});

describe('activation', () => {
  it('takes two people where anything is loosened, and swaps every replica at once (G9)', async () => {
    const other = await world.start();
    const loose = await world.upload(filesWithDevDays(60));
    const first = await world.activate('admin', loose);
    expect([first.status, first.body.state, first.body.loosening?.loosened]).toEqual([202, 'needs-second-person', true]);
    expect((await world.activate('admin', loose)).status).toBe(202);
    const second = await world.activate('admin2', loose, other);
    expect([second.status, second.body.state, second.body.proposedBy?.sub]).toEqual([200, 'active', 'dev-admin']);
    const requests = await Promise.all(Array.from({ length: 20 }, () => world.submit({ ttl: 'P60D' })));
    for (const request of requests) expect((await tap.next('request.approved', of(request))).envelope.data.policyDigest).toBe(loose);
  });

  it('is let in although decisions never pause, and whatever is decided later is decided by it (G9)', async () => {
    const [before] = await world.rows('SELECT policy_digest AS digest FROM active_policy_set');
    const tight = await world.upload(filesWithDevDays(2));
    let stop = false;
    const sent: { requestId: string }[] = [];
    const stream = async () => {
      while (!stop) sent.push(...(await Promise.all(Array.from({ length: 20 }, () => world.submit({ ttl: 'P1D' })))));
    };
    const streams = [stream(), stream()];
    expect((await world.activate('admin', tight)).body.state).toBe('active');
    const count = sent.length;
    stop = true;
    await Promise.all(streams);
    const later = await world.submit({ ttl: 'P1D' });
    for (const request of [...sent.slice(count + 40), later]) expect((await tap.next('request.approved', of(request))).envelope.data.policyDigest).toBe(tight);
    for (const request of sent) await tap.next('request.approved', of(request));
    await world.activate('admin', before!.digest!);
    expect((await world.activate('admin2', before!.digest!)).body.state).toBe('active');
  });

  it('takes one person where nothing is loosened, and rolls back by digest', async () => {
    const tight = await world.upload(filesWithDevDays(1));
    const { body } = await world.activate('admin', tight);
    expect(body).toMatchObject({ state: 'active', loosening: { loosened: false } });
    const request = await world.submit({ ttl: 'P7D' });
    expect((await tap.next('request.held', of(request))).envelope.data.policyDigest).toBe(tight);
    const sample = await world.upload(setFiles());
    expect((await world.activate('admin', sample)).status).toBe(202);
    expect((await world.activate('admin2', sample)).body.state).toBe('active');
    expect((await world.call('admin', 'GET', '/v1/policy-sets/active')).body).toMatchObject({ digest: sample, activation: 6, proposedBy: { sub: 'dev-admin' } });
  });

  it('is for policy admins with a fresh sign-in, and for sets that exist (G10)', async () => {
    expect((await world.activate('reviewer', `sha256:${'0'.repeat(64)}`)).status).toBe(403);
    expect((await world.activate('admin', `sha256:${'0'.repeat(64)}`)).status).toBe(404);
    const { body } = await world.call('admin', 'POST', '/v1/policy-sets', { files: { 'catalog.yaml': 'teams: 7' } });
    expect(body.valid).toBe(false);
    expect(body.problems.length).toBeGreaterThan(0);
    expect(await world.rows('SELECT 1 FROM policy_set WHERE digest = $1', [body.digest])).toHaveLength(0);
  });

  it('decides nothing while its pointer is not the one that was signed, and goes on once it is (G9)', async () => {
    const [before] = await world.rows('SELECT activation, policy_digest, statement FROM active_policy_set');
    const loose = await world.upload(filesWithDevDays(60));
    await world.rows('UPDATE active_policy_set SET policy_digest = $1', [loose]);
    const request = await world.submit();
    await until(async () => (await world.rows(`SELECT 1 FROM request WHERE request_id = $1 AND state = 'waiting'`, [request.requestId])).length === 1, 'the request to wait');
    await until(async () => (await fetch(`${world.services[0]!.url}/health/ready`)).status === 503, 'the service to say that it is not ready');
    const [older] = await world.rows('SELECT policy_digest, activation, statement FROM activation WHERE activation = 1');
    await world.rows('UPDATE active_policy_set SET policy_digest = $1, activation = 1, statement = $2', [older!.policy_digest, older!.statement]);
    const second = await world.submit();
    await until(async () => (await world.rows(`SELECT 1 FROM request WHERE request_id = $1 AND state = 'waiting'`, [second.requestId])).length === 1, 'the second to wait');
    await world.rows('UPDATE active_policy_set SET policy_digest = $1, activation = $2, statement = $3', [before!.policy_digest, before!.activation, before!.statement]);
    await tap.next('request.approved', of(request));
    await tap.next('request.approved', of(second));
  });
});
