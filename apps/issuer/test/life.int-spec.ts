import { randomBytes } from 'node:crypto';
import { makeId, type RequestApproved, type RequestSubmitted, type TimelineEntry } from '@writ/contracts';
import type { Service } from '@writ/service';
import { Transactions } from '@writ/messaging';
import { backingUrls, FaultProxy, until, type Tap } from '@writ/testing';
import { innerDigest, mint } from '@writ/token';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let other: Record<string, string>;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start();
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  other = await issuing.registerGateway(issuer, 'billing-api', ['billing']);
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const verify = (token: string, more: object = {}, as = gateway) => issuing.post(issuer, '/v1/tokens/verify', { token, ...more }, as);
const claim = async (tokenId: string, sub = 'alice', key?: string, body: object = {}) =>
  issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, body, { ...(await issuing.bearer(sub)), ...(key ? { 'idempotency-key': key } : {}) });

const parkedAs = async (id: string, code: string) => expect((await tap.next('message.parked', ({ messageId }) => messageId === id)).envelope.data.code).toBe(code);

describe('a token', () => {
  it('is requested, approved, issued, claimed, verified and revoked', async () => {
    const { tokenId } = await issuing.issued();
    const claimed = await claim(tokenId);
    expect(claimed.status).toBe(201);
    expect(claimed.headers.get('cache-control')).toBe('no-store');
    const token = claimed.body.secret;
    expect(token).toMatch(/^writ_dev_[0-9A-Za-z]{49}$/);
    await tap.next('token.delivered', (data) => data.tokenId === tokenId);
    const answer = await verify(token, { scopes: ['orders:read'] });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ valid: true, code: 'VALID', tokenId, owner: 'alice', audience: 'orders', environment: 'dev' });
    expect((await verify(token)).body).toMatchObject({ code: 'VALID', maxStalenessMs: expect.any(Number), asOf: expect.any(String) });
    const revoked = await issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'done' }, await issuing.bearer('alice'));
    expect(revoked.status).toBe(200);
    expect(revoked.body).toMatchObject({ tokenId, state: 'revoked' });
    expect((await verify(token, { minSeq: revoked.body.seq })).body).toMatchObject({ valid: false, code: 'REVOKED' });
    const said = await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(said.envelope.data).toMatchObject({ seq: revoked.body.seq, code: 'revoked-by-person', reason: 'done' });
    const timeline = await issuing.get(issuer, `/v1/tokens/${tokenId}/timeline`, await issuing.bearer('alice'));
    expect(timeline.body.items.map(({ what }: { what: string }) => what).filter((what: string) => what !== 'first-used')).toEqual(['issue', 'delivered', 'revoke']);
    const ordinals = tap.heard.filter(({ envelope }) => envelope.data.tokenId === tokenId).map(({ envelope }) => envelope.aggregateversion);
    expect(ordinals).toEqual([1, 2, 3]);
  });

  it('waits where its approval came before its request (G2)', async () => {
    const request = issuing.submission();
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM request WHERE request_id = $1', [request.requestId])).length > 0, 'the approval to be kept');
    await issuing.bench.bus.say('request', 'request.submitted', request);
    await tap.next('token.issued', ({ requestId }) => requestId === request.requestId);
  });

  it('is not issued by a policy set that was replaced before, and is by one that was replaced after (G1, G2)', async () => {
    await issuing.bench.sayResponse(2, []);
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM active_policy WHERE activation = 2')).length > 0, 'the activation to be heard');
    const outcomeOf = async (activation: number, inSeconds: number) => {
      const request = issuing.submission();
      await issuing.bench.bus.say('policy', 'request.approved', issuing.decidedBy(request, activation, inSeconds));
      await issuing.bench.bus.say('request', 'request.submitted', request);
      const { envelope } = await until(() => tap.heard.find(({ type, envelope: { data } }) => ['token.issued', 'issue.refused'].includes(type) && data.requestId === request.requestId), 'the outcome');
      return envelope.data.code ?? 'issued';
    };
    expect([await outcomeOf(1, 60), await outcomeOf(1, -60), await outcomeOf(2, 60), await outcomeOf(3, 60)]).toEqual(['policy-replaced', 'issued', 'policy-replaced', 'issued']);
  });

  it('is issued once per request, however often it is approved (G2)', async () => {
    const { request } = await issuing.issued();
    for (let i = 0; i < 3; i++) await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    const { request: later } = await issuing.issued();
    expect(later.requestId).not.toBe(request.requestId);
    expect(tap.ofType('token.issued').filter(({ envelope }) => envelope.data.requestId === request.requestId)).toHaveLength(1);
  });

  it('is not issued for a request that was withdrawn (G1)', async () => {
    const request = issuing.submission();
    await issuing.bench.bus.say('request', 'request.submitted', request);
    await issuing.bench.bus.say('request', 'request.cancelled', { requestId: request.requestId, requestDigest: request.requestDigest, by: request.claimant });
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    const refused = await tap.next('issue.refused', ({ requestId }) => requestId === request.requestId);
    expect(refused.envelope.data.code).toBe('request-cancelled');
  });

  it('is issued for the true request, also where a forged one came first (G1, G2)', async () => {
    const request = issuing.submission();
    const forgeries: [string, RequestSubmitted][] = [
      ['request-changed', { ...request, scopes: ['orders:admin'] }],
      ['request-changed', { ...request, statement: issuing.submission().statement }],
      ['request-statement-bad-signature', { ...request, statement: `${request.statement.slice(0, -8)}AAAAAAAA` }],
    ];
    for (const [code, forged] of forgeries) await parkedAs(await issuing.bench.bus.say('request', 'request.submitted', forged), code);
    await issuing.bench.bus.say('request', 'request.submitted', request);
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    await tap.next('token.issued', ({ requestId }) => requestId === request.requestId);
  });

  it('is issued for the true approval, also where a forged one came first (G1, G2)', async () => {
    const [a, b] = [issuing.submission({ scopes: ['orders:admin'] }), issuing.submission()];
    const [mine, other] = [issuing.approval(a), issuing.approval(b)];
    const forgeries: [string, RequestApproved][] = [
      ['approval-for-another-request', { ...other, requestId: a.requestId, requestDigest: a.requestDigest }],
      ['approval-changed', { ...mine, grant: { scopes: ['orders:admin', 'orders:write'] } }],
      ['not-approved', issuing.approval(a, {}, [], [], 'hold')],
      ['decision-statement-bad-signature', { ...mine, statement: `${mine.statement.slice(0, -8)}AAAAAAAA` }],
      ['quorum-missing', issuing.approval(a, {}, [], [{ group: 'security', approvers: 1 }])],
    ];
    // Before its request is known, and after.
    for (const [code, forged] of forgeries) await parkedAs(await issuing.bench.bus.say('policy', 'request.approved', forged), code);
    await issuing.bench.bus.say('request', 'request.submitted', a);
    for (const [code, forged] of forgeries) await parkedAs(await issuing.bench.bus.say('policy', 'request.approved', forged), code);
    await issuing.bench.bus.say('policy', 'request.approved', mine);
    const issued = await tap.next('token.issued', ({ requestId }) => requestId === a.requestId);
    expect(issued.envelope.data.scopes).toEqual(['orders:admin']);
  });

  it('is refused for an approval that came too late: that is an outcome (G2)', async () => {
    const request = issuing.submission();
    await issuing.bench.bus.say('request', 'request.submitted', request);
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request, {}, [], [], 'approve', -1));
    const refused = await tap.next('issue.refused', ({ requestId }) => requestId === request.requestId);
    expect(refused.envelope.data.code).toBe('decision-statement-expired');
  });

  it('is not issued where the stored request was edited (G1)', async () => {
    const request = issuing.submission();
    await issuing.bench.bus.say('request', 'request.submitted', request);
    const database = issuing.bench.database('issuer');
    await until(async () => (await database.query(`UPDATE request SET facts = jsonb_set(facts, '{scopes}', '["orders:admin"]') WHERE request_id = $1 RETURNING 1`, [request.requestId])).length > 0, 'the request');
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    const refused = await tap.next('issue.refused', ({ requestId }) => requestId === request.requestId);
    expect(refused.envelope.data.code).toBe('request-changed');
  });

  it('lapses where nobody claims it in time (G6)', async () => {
    const { tokenId } = await issuing.issued({ ttl: 'PT1S' });
    const lapsed = await tap.next('token.expired', (data) => data.tokenId === tokenId);
    expect(lapsed.envelope.data.code).toBe('expired');
    expect((await claim(tokenId)).body.code).toBe('token-ended');
  });

  it('"an expired key is echoed in the error" (litellm#18731): ours is refused on the second it expires, and shown nowhere (G3, G6)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer, { ttl: 'PT2S' });
    expect((await verify(secret)).body.code).toBe('VALID');
    await tap.next('token.expired', (data) => data.tokenId === tokenId);
    const { body } = await verify(secret);
    expect(body.code).toBe('EXPIRED');
    expect(JSON.stringify([body, (await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway)).body])).not.toContain(secret.slice(9, 40));
  });
});

describe('a claim', () => {
  it('"a link preview eats the one-time secret" (d-note#61): ours goes to nobody else, and neither a GET nor a stranger changes anything (G10)', async () => {
    const { tokenId } = await issuing.issued();
    expect((await claim(tokenId, 'mallory')).status).toBe(404);
    expect((await issuing.get(issuer, `/v1/tokens/${tokenId}/claim`, await issuing.bearer('alice'))).status).toBe(404);
    expect((await claim(tokenId)).status).toBe(201);
    expect((await claim(tokenId, 'mallory')).status).toBe(404);
    expect((await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('alice'))).body.state).toBe('active');
  });

  it('that was lost is repeated to the same session with a new secret, and the lost one is dead (G3, G7)', async () => {
    const { tokenId } = await issuing.issued();
    const first = await claim(tokenId, 'alice', 'session-1');
    const second = await claim(tokenId, 'alice', 'session-1');
    expect(second.status).toBe(201);
    expect(second.body.secret).not.toBe(first.body.secret);
    expect((await verify(first.body.secret)).body.code).toBe('REVOKED');
    expect((await claim(tokenId, 'alice', 'session-1')).status).toBe(201);
    const last = await claim(tokenId, 'alice', 'session-1');
    expect((await claim(tokenId, 'alice', 'session-1')).body.code).toBe('already-claimed');
    // Only now: once a secret was used its answer cannot have been lost.
    expect((await verify(last.body.secret)).body.code).toBe('VALID');
  });

  it('of a second session kills the token and raises the alarm (G10)', async () => {
    const { tokenId } = await issuing.issued();
    const first = await claim(tokenId, 'alice', 'session-1');
    const second = await claim(tokenId, 'alice', 'session-2');
    expect(second).toMatchObject({ status: 409, body: { code: 'claimed-twice' } });
    expect((await verify(first.body.secret)).body.code).toBe('REVOKED');
    expect((await tap.next('token.revoked', (data) => data.tokenId === tokenId)).envelope.data.code).toBe('claimed-twice');
  });

  it('that comes with others has its own answer and receipt, whatever becomes of theirs (G2, G10)', async () => {
    const tokens = [];
    for (let i = 0; i < 6; i++) tokens.push((await issuing.issued()).tokenId);
    const [edited = '', foreign = '', ...good] = tokens;
    await issuing.bench.database('issuer').query(`UPDATE token SET owner_id = 'mallory' WHERE token_id = $1`, [edited]);
    const answers = await Promise.all([claim(edited), claim(foreign, 'mallory'), ...good.map((tokenId) => claim(tokenId)), claim(good[0] as string)]);
    const [one, another] = [answers[2], answers[6]].sort((a, b) => (a?.status ?? 0) - (b?.status ?? 0));
    expect([answers[0], answers[1], one, ...answers.slice(3, 6), another].map((answer) => answer?.status)).toEqual([500, 404, 201, 201, 201, 201, 409]);
    answers[2] = one as typeof answers[number]; // Of two that came at the same time either may be the first.
    for (const [i, tokenId] of good.entries()) {
      const { envelope } = await tap.next('token.delivered', (data) => data.tokenId === tokenId);
      expect(answers[i + 2]?.headers.get('x-audit-receipt')).toBe(envelope.id);
      expect(answers[i + 2]?.body.tokenId).toBe(tokenId);
    }
    for (const [i, tokenId] of good.entries()) expect((await verify(String(answers[i + 2]?.body.secret))).body).toMatchObject(i === 0 ? { code: 'REVOKED' } : { code: 'VALID', tokenId });
  });

  it('whose commit was not answered is not made again: what was perhaps kept would be killed (G7, G11)', async () => {
    const tokens = [];
    for (let i = 0; i < 3; i++) tokens.push((await issuing.issued()).tokenId);
    const [first = '', slow = '', beside = ''] = tokens;
    const database = issuing.bench.database('issuer');
    await database.query('CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$');
    await database.query(`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON secret DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.token_id IN ('${first}', '${slow}')) EXECUTE FUNCTION slow_commit()`);
    const proxy = await FaultProxy.before(backingUrls().postgres);
    const { WRIT_DATABASE_URL: url = '' } = await issuing.bench.env('issuer', [] as never);
    const cutOff = await issuing.start({ WRIT_DATABASE_URL: proxy.url(url) });
    const alice = await issuing.bearer('alice');
    const claimed = (tokenId: string) => issuing.post(cutOff, `/v1/tokens/${tokenId}/claim`, {}, alice);
    const committing = () => until(async () => (await database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'`)).length > 0, 'the commit');
    // What comes while the first is written is written together.
    const alone = claimed(first);
    await committing();
    const together = Promise.all([slow, beside].map(claimed));
    expect((await alone).status).toBe(201);
    await committing();
    proxy.set('down');
    proxy.set('none');
    expect((await together).map(({ status }) => status)).toEqual([503, 503]);
    await until(async () => (await database.query(`SELECT 1 FROM token WHERE token_id = ANY($1) AND state = 'active'`, [[slow, beside]])).length === 2, 'the commit to end');
    await database.query('DROP TRIGGER slow ON secret');
    await issuing.stop(cutOff);
    await proxy.close();
    expect(tap.ofType('token.revoked').filter(({ envelope }) => [slow, beside].includes(String(envelope.data.tokenId)))).toEqual([]);
  });

  it('made at the same time by two sessions leaves no living secret', async () => {
    const { tokenId } = await issuing.issued();
    const answers = await Promise.all(['a', 'b', 'c'].map((key) => claim(tokenId, 'alice', key)));
    const secrets = answers.flatMap(({ body }) => body.secret ?? []);
    expect(secrets.length).toBe(1);
    expect((await verify(secrets[0] as string)).body.code).toBe('REVOKED');
  });
});

describe('a verification', () => {
  it('does not know tokens of an audience that is not the caller’s (G10)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const answer = await verify(secret, {}, other);
    expect(answer.body).toEqual({ valid: false, code: 'NOT_FOUND', asOf: expect.any(String), seq: expect.any(Number), maxStalenessMs: expect.any(Number) });
    expect((await verify(secret)).body.code).toBe('VALID');
    expect((await verify(secret, {}, other)).body.code).toBe('NOT_FOUND');
  });

  it('answers every code, each with its freshness (G5)', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    const codeOf = async (token: string, more: object = {}) => {
      const { body } = await verify(token, more);
      expect(body).toMatchObject({ asOf: expect.any(String), seq: expect.any(Number), maxStalenessMs: expect.any(Number) });
      return body.code;
    };
    for (let round = 0; round < 2; round++) {
      expect(await codeOf(secret)).toBe('VALID');
      expect(await codeOf(secret, { scopes: ['orders:write'] })).toBe('INSUFFICIENT_SCOPE');
      expect(await codeOf(secret, { audience: 'billing' })).toBe('WRONG_AUDIENCE');
      expect(await codeOf(secret, { minSeq: 1_000_000 })).toBe('STALE');
      expect(await codeOf(secret.slice(0, -1))).toBe('MALFORMED');
      expect(await codeOf(`${secret.slice(0, -1)}${secret.endsWith('a') ? 'b' : 'a'}`)).toBe('MALFORMED');
    }
    await issuing.post(issuer, `/v1/tokens/${tokenId}/suspend`, { reason: 'odd' }, await issuing.bearer('alice'));
    expect(await codeOf(secret)).toBe('SUSPENDED');
    await issuing.post(issuer, `/v1/tokens/${tokenId}/resume`, { reason: 'fine' }, await issuing.bearer('alice'));
    expect(await codeOf(secret)).toBe('VALID');
  });

  it('answers a batch in order, by token and by digest', async () => {
    const { secret } = await issuing.claimed(issuer);
    const tokens = [{ token: 'junk' }, { token: secret }, { digest: innerDigest(secret).toString('base64url') }, { token: secret, scopes: ['orders:write'] }];
    const { status, body } = await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens }, gateway);
    expect(status).toBe(200);
    expect(body.results.map(({ code }: { code: string }) => code)).toEqual(['MALFORMED', 'VALID', 'VALID', 'INSUFFICIENT_SCOPE']);
    for (const result of body.results) expect(result).toMatchObject({ asOf: expect.any(String), seq: expect.any(Number), maxStalenessMs: expect.any(Number) });
    const ahead = await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens, minSeq: 1_000_000 }, gateway);
    expect(ahead.body.results).toMatchObject(tokens.map(() => ({ valid: false, code: 'STALE' })));
  });

  it('refuses strangers, and bodies that are wrong, without an echo of the token (G3, G10)', async () => {
    const { secret } = await issuing.claimed(issuer);
    for (const path of ['/v1/tokens/verify', '/v1/tokens/verify-batch', '/oauth2/introspect', '/oauth2/revoke']) {
      expect((await issuing.post(issuer, path, { token: secret })).status).toBe(401);
      expect((await issuing.post(issuer, path, { token: secret }, { authorization: 'Basic bm9ib2R5OnNlY3JldA==' })).status).toBe(401);
    }
    for (const body of [{}, { token: 1 }, { token: secret, digest: 'x' }, { token: secret, minSeq: -1 }, { token: secret, scopes: 'a' }, { token: secret, more: 1 }, [secret]]) {
      const answer = await issuing.post(issuer, '/v1/tokens/verify', body, gateway);
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body)).not.toContain(secret.slice(9, 30));
    }
  });

  it('is answered as RFC 7662 and forward-auth have it', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    const introspected = await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway);
    expect(introspected.body).toMatchObject({ active: true, scope: 'orders:read', sub: 'alice', aud: 'orders', exp: expect.any(Number), jti: tokenId });
    expect((await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, other)).body).toEqual({ active: false });
    expect((await issuing.post(issuer, '/oauth2/introspect', `token=${secret}&token=x`, gateway)).status).toBe(400);
    const asGateway = { 'x-writ-gateway-authorization': gateway.authorization as string };
    const allowed = await issuing.get(issuer, '/v1/forward-auth?scope=orders:read', { ...asGateway, authorization: `Bearer ${secret}` });
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('x-writ-owner')).toBe('alice');
    expect(['as-of', 'seq', 'max-staleness-ms'].map((name) => allowed.headers.get(`x-writ-${name}`))).toEqual([expect.stringMatching(/^\d{4}-.*Z$/), expect.stringMatching(/^\d+$/), expect.stringMatching(/^\d+$/)]);
    const scope = await issuing.get(issuer, '/v1/forward-auth?scope=orders:write', { ...asGateway, authorization: `Bearer ${secret}` });
    expect([scope.status, scope.headers.get('x-writ-code'), scope.headers.get('www-authenticate')]).toEqual([403, 'INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope"']);
    expect((await issuing.get(issuer, '/v1/forward-auth', { ...asGateway, authorization: 'Bearer junk' })).status).toBe(401);
    expect((await issuing.get(issuer, '/v1/forward-auth', { authorization: `Bearer ${secret}` })).status).toBe(401);
    expect((await issuing.get(issuer, '/.well-known/oauth-authorization-server')).body).toMatchObject({ issuer: issuer.url, introspection_endpoint: `${issuer.url}/oauth2/introspect` });
  });

  it('shows as last use and in usage records, not on its own way', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    for (let i = 0; i < 5; i++) await verify(secret, { address: '192.0.2.7', agent: 'curl/8.1' });
    const said = await tap.next('usage.recorded', ({ records }) => (records as { tokenId?: string }[]).some((record) => record.tokenId === tokenId));
    const [record] = (said.envelope.data.records as { tokenId?: string }[]).filter((one) => one.tokenId === tokenId);
    expect(record).toMatchObject({ generation: 1, code: 'VALID', gateway: 'orders-api', network: '192.0.2.0/24', agent: 'curl', count: expect.any(Number) });
    expect((await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('alice'))).body).toMatchObject({ lastUsedAt: expect.any(String), generations: [{ state: 'used' }] });
  });
});

describe('the inventory', () => {
  it('gives what each filter asks for, page by page, newest first, each token once', async () => {
    const issued = async (scopes: string[]) => (await issuing.issued({ requester: 'lister', scopes, ttl: 'PT1H' })).tokenId;
    const [read, write, both] = [await issued(['orders:read']), await issued(['orders:write']), await issued(['orders:read', 'orders:write'])];
    // By the time in the id, which the database's clock may set back by a moment.
    const newestFirst = (...ids: string[]) => ids.sort().reverse();
    const ids = newestFirst(read, write, both);
    await issuing.post(issuer, `/v1/tokens/${write}/suspend`, { reason: 'x' }, await issuing.bearer('lister'));
    const as = await issuing.bearer('watcher', ['admins']);
    const list = async (query: string) => (await issuing.get(issuer, `/v1/tokens?owner=lister&${query}`, as)).body as unknown as { items: { tokenId: string }[]; next: string | null };
    const idsOf = async (query: string) => (await list(query)).items.map(({ tokenId }) => tokenId);
    const inAnHour = new Date(Date.now() + 3_700_000).toISOString();
    expect(await idsOf('')).toEqual(ids);
    expect(await idsOf('scope=orders:read')).toEqual(newestFirst(both, read));
    expect(await idsOf('state=suspended')).toEqual([write]);
    expect(await idsOf('state=issued&scope=orders:write')).toEqual([both]);
    for (const every of ['team=orders', 'audience=orders', 'environment=dev', `expiringBefore=${inAnHour}`, `unusedSince=${inAnHour}`]) expect(await idsOf(every)).toEqual(ids);
    for (const none of ['team=billing', 'audience=billing', 'environment=prod', `expiringBefore=${new Date().toISOString()}`, 'unusedSince=2020-01-01']) expect(await idsOf(none)).toEqual([]);
    const first = await list('limit=2');
    expect(first.items.map(({ tokenId }) => tokenId)).toEqual(ids.slice(0, 2));
    expect(await list(`limit=2&cursor=${first.next}`)).toMatchObject({ items: [{ tokenId: ids[2] }], next: null });
  });
});

describe('a timeline', () => {
  it('tells a whole life, from the issue to the mass revocation that ended it: what, why and who (G8)', async () => {
    const { tokenId } = await issuing.claimed(issuer, { requester: 'erin' });
    const [root, erin] = [await issuing.bearer('root', ['admins']), await issuing.bearer('erin')];
    const act = async (path: string, body: object, as: object) => expect((await issuing.post(issuer, path, body, as as Record<string, string>)).status).toBeLessThan(300);
    const rotationId = makeId('rot', Date.now(), randomBytes(10));
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    await issuing.due({ tokenId, rotationId, cause: 'requested', deadlineAt: inAnHour, claimBefore: inAnHour, by: issuing.person('erin') });
    await tap.next('token.rotated', (data) => data.rotationId === rotationId);
    expect((await verify((await claim(tokenId, 'erin', undefined, { rotationId })).body.secret)).body.code).toBe('VALID');
    await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'used');
    await issuing.steer({ tokenId, rotationId, command: 'force', by: issuing.person('root'), reason: 'enough' });
    await tap.next('token.retired', (data) => data.tokenId === tokenId);
    await act(`/v1/tokens/${tokenId}/suspend`, { reason: 'odd' }, erin);
    await act(`/v1/tokens/${tokenId}/resume`, { reason: 'fine' }, root);
    await act(`/v1/tokens/${tokenId}/transfer`, { to: 'frank', reason: 'moves on' }, root);
    await act('/v1/revocations', { ownerId: 'erin', reason: 'another owner by now' }, root);
    await act('/v1/revocations', { ownerId: 'frank', reason: 'stolen' }, root);
    await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    await act('/v1/revocations', { ownerId: 'frank', reason: 'nothing is left' }, root);
    const { body } = await issuing.get(issuer, `/v1/tokens/${tokenId}/timeline`, root);
    const items = body.items as unknown as TimelineEntry[];
    const told = items.map(({ what, code = '', by, generation, from, to }) => [what, code, by?.principal?.sub ?? by?.kind, generation, ...(to ? [from, to] : [])]);
    expect(told).toEqual([
      ['issue', 'approved', undefined, undefined],
      ['delivered', '', 'erin', 1],
      ['rotation', 'requested', 'erin', 2],
      ['delivered', '', 'erin', 2],
      ['first-used', '', undefined, 2],
      ['retire', 'forced', 'root', 1],
      ['suspend', 'suspended-by-person', 'erin', undefined],
      ['resume', 'resumed-by-person', 'root', undefined],
      ['transfer', 'transferred', 'root', undefined, 'erin', 'frank'],
      ['epoch', 'owner-revoked', 'root', undefined],
      ['revoke', 'owner-revoked', 'issuer', undefined],
    ]);
    expect(items.map(({ at }) => at)).toEqual(items.map(({ at }) => at).sort());
    expect(items.filter(({ rotationId: its }) => its === rotationId)).toHaveLength(3);
  });
});

describe('a stop', () => {
  it('by possession ends the token within the caller’s audiences, and is 200 for all else (RFC 7009)', async () => {
    const { secret } = await issuing.claimed(issuer);
    expect((await issuing.post(issuer, '/oauth2/revoke', `token=${secret}`, other)).status).toBe(200);
    expect((await verify(secret)).body.code).toBe('VALID');
    expect((await issuing.post(issuer, '/oauth2/revoke', `token=${secret}`, gateway)).status).toBe(200);
    await until(async () => (await verify(secret)).body.code === 'REVOKED', 'the refusal', 1_000);
    // Section 2.2: what is no token of theirs is as good as revoked. Section 2.1: the hint may be wrong, the token must be there once.
    for (const form of ['token=junk', `token=${mint('dev', randomBytes(32)).reveal()}&token_type_hint=refresh_token`]) expect((await issuing.post(issuer, '/oauth2/revoke', form, gateway)).status).toBe(200);
    for (const form of ['token=a&token=b', 'token=', 'token_type_hint=access_token']) {
      const wrong = await issuing.post(issuer, '/oauth2/revoke', form, gateway);
      expect([form, wrong.status, wrong.body.error]).toEqual([form, 400, 'invalid_request']);
    }
    const stranger = await issuing.post(issuer, '/oauth2/revoke', `token=${secret}`);
    expect([stranger.status, stranger.body.error, stranger.headers.get('www-authenticate')]).toEqual([401, 'invalid_client', 'Basic realm="writ"']);
  });

  it('"no way to burn a found token" (warehouse#20125): ours needs nothing but the token, and tells nothing of it (G10)', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    const before = Date.now();
    for (const token of [secret, secret, 'junk']) expect((await issuing.post(issuer, '/v1/burn', { token })).status).toBe(204);
    const said = await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(said.envelope.data).toMatchObject({ code: 'burned', by: { kind: 'burn' } });
    const { reportedAt, stoppedAt } = (await tap.next('stop.confirmed', (data) => data.tokenId === tokenId)).envelope.data;
    expect(Date.parse(String(reportedAt))).toBeLessThanOrEqual(Date.parse(String(stoppedAt)));
    expect(Date.parse(String(reportedAt))).toBeGreaterThanOrEqual(before - 1_000);
  });

  it('of found tokens locks all of them before the log, so that it waits for nobody with the head in its hand', async () => {
    const [a, b] = [await issuing.claimed(issuer), await issuing.claimed(issuer)];
    const digests = [a, b].map(({ secret }) => innerDigest(secret));
    const database = issuing.bench.database('issuer');
    await issuer.app.get(Transactions).run(async ({ db }) => {
      await db.query('SELECT 1 FROM token WHERE token_id = $1 FOR UPDATE', [b.tokenId]);
      await database.query('INSERT INTO burn (digest) SELECT unnest($1::bytea[])', [digests]);
      await until(async () => (await database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM token%FOR UPDATE%'`)).length > 0, 'the burning to wait');
      await db.query('SELECT 1 FROM state_head FOR UPDATE NOWAIT');
    });
    for (const { tokenId } of [a, b]) expect((await tap.next('token.revoked', (data) => data.tokenId === tokenId)).envelope.data.code).toBe('burned');
  });

  it('by an administrator is lifted by an administrator alone, also where the owner had suspended before; one by the owner, by no colleague (G10)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const [alice, bob, root] = [await issuing.bearer('alice', [], 'orders'), await issuing.bearer('bob', [], 'orders'), await issuing.bearer('root', ['admins'])];
    const act = async (what: string, as: Record<string, string>) => (await issuing.post(issuer, `/v1/tokens/${tokenId}/${what}`, { reason: 'x' }, as)).status;
    expect([await act('suspend', alice), await act('resume', bob), await act('resume', alice)]).toEqual([200, 403, 200]);
    expect([await act('suspend', root), await act('resume', alice), await act('resume', bob), await act('resume', root)]).toEqual([200, 403, 403, 200]);
    expect([await act('suspend', alice), await act('suspend', root), await act('resume', alice), await act('suspend', alice), await act('resume', alice), await act('resume', root)]).toEqual([200, 200, 403, 200, 403, 200]);
  });

  it('by strangers is answered as if there were no such token (G10)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    for (const action of ['revoke', 'suspend', 'resume']) {
      expect((await issuing.post(issuer, `/v1/tokens/${tokenId}/${action}`, { reason: 'x' }, await issuing.bearer('mallory'))).status).toBe(404);
    }
    expect((await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('mallory'))).status).toBe(404);
    expect((await issuing.get(issuer, '/v1/tokens', await issuing.bearer('mallory'))).body.items).toEqual([]);
  });

  it('of all that an owner has is one entry that says who, whom and why, and reaches tokens in memory too (G4, G8)', async () => {
    const first = await issuing.claimed(issuer, { requester: 'leaver' });
    const second = await issuing.claimed(issuer, { requester: 'leaver' });
    expect((await verify(first.secret)).body.code).toBe('VALID');
    const answer = await issuing.post(issuer, '/v1/revocations?wait=fleet', { ownerId: 'leaver', reason: 'left' }, await issuing.bearer('root', ['admins']));
    expect(answer.status).toBe(200);
    const act = await tap.next('act.recorded', ({ ownerId }) => ownerId === 'leaver');
    expect(act.envelope.id).toBe(answer.headers.get('x-audit-receipt'));
    expect(act.envelope.data).toMatchObject({ by: { sub: 'root' }, reason: 'left', seq: answer.body.seq });
    expect((await verify(first.secret)).body.code).toBe('REVOKED');
    expect((await verify(second.secret)).body.code).toBe('REVOKED');
    for (const { tokenId } of [first, second]) {
      expect((await tap.next('token.revoked', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ code: 'owner-revoked' });
    }
    expect((await verify((await issuing.claimed(issuer, { requester: 'leaver' })).secret)).body.code).toBe('VALID');
  });

  it.each([['of an owner', { ownerId: 'carol' }, true], ['of everybody', { everybody: true }, false]])('"not-before of a realm is ignored in introspection" (CVE-2026-8922): ours %s counts there too (G4)', async (_, whose, othersLive) => {
    const active = async (token: string) => (await issuing.post(issuer, '/oauth2/introspect', `token=${token}`, gateway)).body.active;
    const [hers, his] = [await issuing.claimed(issuer, { requester: 'carol' }), await issuing.claimed(issuer, { requester: 'dave' })];
    expect([await active(hers.secret), await active(his.secret)]).toEqual([true, true]);
    expect((await issuing.post(issuer, '/v1/revocations', { ...whose, reason: 'stolen' }, await issuing.bearer('root', ['admins']))).status).toBe(200);
    expect([await active(hers.secret), await active(his.secret)]).toEqual([false, othersLive]);
    expect(await active((await issuing.claimed(issuer, { requester: 'carol' })).secret)).toBe(true);
  });
});
