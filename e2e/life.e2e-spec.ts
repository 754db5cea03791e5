import type { RequestAnswer, ReviewAnswer, RotationAnswer, StopAnswer, TokenView } from '@writ/contracts';
import { parsePolicy, urlSource, verifyLog } from '@writ/tlog';
import { as, entriesOf, freshToken, gateway, need, nobody, statusOf, until, untilStatus, Upstream, urls, verify, wish } from './platform.js';

const requester = as('requester');
let upstream: Upstream;
beforeAll(async () => {
  upstream = await Upstream.connect();
});
afterAll(() => upstream.close());

const refused = (work: Promise<unknown>) => work.then(() => 'accepted', (error: { status?: number; code?: string }) => ({ status: error.status, code: error.code }));

describe('a request', () => {
  it('over AMQP for something harmless is approved, issued, claimed, verified and logged', async () => {
    const envelope = upstream.envelope(wish());
    await upstream.submit(envelope);
    const issued = await upstream.outcome('token.issued', (data) => data.submissionId === envelope.id);
    const { requestId, tokenId } = issued.data as { requestId: string; tokenId: string };
    expect(await statusOf(requestId)).toMatchObject({ status: 'issued', tokenId, decision: { outcome: 'approve' } });
    const claimed = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`);
    expect(claimed.secret).toMatch(/^writ_dev_[0-9A-Za-z]{49}$/);
    expect(await verify(claimed.secret, ['orders:read'])).toMatchObject({ valid: true, code: 'VALID', tokenId, audience: 'orders' });
    expect(await verify(claimed.secret, ['orders:write'])).toMatchObject({ valid: false, code: 'INSUFFICIENT_SCOPE' });
    await untilStatus(requestId, 'delivered');
    const types = await until('the log to tell the whole story', async () => {
      const entries = await entriesOf({ token: tokenId });
      return entries.some(({ type }) => type === 'token.delivered') && entries.map(({ type }) => type);
    });
    expect(types).toEqual(expect.arrayContaining(['token.issued', 'token.delivered']));
  });

  it('that repeats another one’s id and body is that one; with another body it is refused', async () => {
    const envelope = upstream.envelope(wish());
    await upstream.submit(envelope);
    await upstream.submit(envelope);
    await upstream.submit({ ...envelope, data: wish({ reason: 'something else' }) });
    const refusal = await upstream.outcome('request.refused', (data) => data.submissionId === envelope.id);
    expect(refusal.data.code).toMatch(/reused|duplicate/);
    await until('the token', () => upstream.ofType('token.issued').some(({ data }) => data.submissionId === envelope.id));
    expect(new Set(upstream.ofType('token.issued').filter(({ data }) => data.submissionId === envelope.id).map(({ data }) => data.tokenId)).size).toBe(1);
  });

  it('for an unknown scope is denied by policy, and says so', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:fly'] }) });
    const answer = await untilStatus(requestId, 'denied');
    expect(answer.decision).toMatchObject({ outcome: 'deny' });
    expect(answer.tokenId).toBeUndefined();
  });

  it('for a wildcard is never issued', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['*'] }) });
    expect(await untilStatus(requestId, 'denied')).toMatchObject({ decision: { outcome: 'deny' } });
  });

  it('for production write waits for two of security; the requester is none of them (G1, G10)', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'P7D' }) });
    const held = await untilStatus(requestId, 'held');
    expect(held.decision).toMatchObject({ outcome: 'hold', require: [{ group: 'security', approvers: 2 }] });
    expect(held.decision?.nearest?.words).toEqual(expect.any(String));
    const vote = (part: string) => as(part).policy.post<ReviewAnswer>(`/v1/reviews/${requestId}/votes`, { body: { vote: 'approve', reason: 'known job' } });
    await until('the review', () => as('reviewer').policy.get(`/v1/reviews/${requestId}`).catch(() => undefined));
    expect(await refused(vote('requester'))).toMatchObject({ status: 403 });
    await vote('reviewer');
    expect(await refused(vote('reviewer'))).toMatchObject({ status: 409 });
    expect((await statusOf(requestId)).status).toBe('held');
    await vote('reviewer2');
    const issued = await untilStatus(requestId, 'issued');
    const token = await requester.issuer.get<TokenView>(`/v1/tokens/${issued.tokenId}`);
    expect(token.scopes).toEqual(['orders:write']);
    expect(Date.parse(token.expiresAt) - Date.parse(token.issuedAt)).toBeLessThanOrEqual(86_400_000);
  });

  it('that is withdrawn while it is held yields no token', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod' }) });
    await untilStatus(requestId, 'held');
    await requester.request.delete(`/v1/requests/${requestId}`);
    expect(await statusOf(requestId)).toMatchObject({ status: 'cancelled' });
  });

  it('is narrowed by a vote, never widened (G1)', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:read', 'orders:write'], environment: 'prod', ttl: 'PT12H' }) });
    await untilStatus(requestId, 'held');
    const vote = (part: string, narrow?: object) => until('the review', () => as(part).policy.post<ReviewAnswer>(`/v1/reviews/${requestId}/votes`, { body: { vote: 'approve', reason: 'less will do', ...(narrow ? { narrow } : {}) } }).catch((error: { status?: number }) => {
      if (error.status === 404) return undefined;
      throw error;
    }));
    expect(await refused(vote('reviewer', { scopes: ['orders:admin'] }))).toMatchObject({ status: expect.any(Number) });
    await vote('reviewer', { scopes: ['orders:read'] });
    await vote('reviewer2');
    const { tokenId } = await untilStatus(requestId, 'issued');
    expect((await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`)).scopes).toEqual(['orders:read']);
  });
});

describe('a token', () => {
  it('is claimed once: a stranger gets 404 and changes nothing', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish() });
    const { tokenId } = await untilStatus(requestId, 'issued');
    expect(await refused(as('reviewer').issuer.post(`/v1/tokens/${tokenId}/claim`))).toMatchObject({ status: 404 });
    const { secret } = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`);
    expect((await verify(secret)).code).toBe('VALID');
  });

  it('is revoked everywhere when the answer comes (G4), and stays so', async () => {
    const { tokenId, secret } = await freshToken();
    expect((await verify(secret)).code).toBe('VALID');
    const answer = await requester.issuer.post<StopAnswer>(`/v1/tokens/${tokenId}/revoke`, { body: { reason: 'over' }, query: { wait: 'fleet' } });
    expect(answer).toMatchObject({ state: 'revoked' });
    const after = await Promise.all(Array.from({ length: 20 }, () => verify(secret, [], { minSeq: answer.seq })));
    expect(new Set(after.map(({ code }) => code))).toEqual(new Set(['REVOKED']));
  });

  it('is suspended and resumed', async () => {
    const { tokenId, secret } = await freshToken();
    await requester.issuer.post(`/v1/tokens/${tokenId}/suspend`, { body: { reason: 'checking' }, query: { wait: 'fleet' } });
    expect((await verify(secret)).code).toBe('SUSPENDED');
    await requester.issuer.post(`/v1/tokens/${tokenId}/resume`, { body: { reason: 'it was us' } });
    await until('it to work again', async () => (await verify(secret)).code === 'VALID');
  });

  it('is rotated without a gap: both secrets work until the old one retires (G7)', async () => {
    const { tokenId, secret } = await freshToken();
    const { rotationId } = await requester.rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body: { reason: 'test' } });
    await until('the successor', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'claimable');
    const claimed = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`, { body: { rotationId } });
    expect((await verify(secret)).code).toBe('VALID');
    expect((await verify(claimed.secret)).code).toBe('VALID');
  });

  it('introspects by RFC 7662 and is revoked by RFC 7009 within the caller’s audiences', async () => {
    const { secret } = await freshToken();
    const form = (body: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(body), headers: { authorization: `Basic ${Buffer.from(`${need('WRIT_GATEWAY_CLIENT_ID')}:${need('WRIT_GATEWAY_CLIENT_SECRET')}`).toString('base64')}` } });
    const introspect = async () => (await fetch(`${urls.issuer}/oauth2/introspect`, form({ token: secret }))).json() as Promise<{ active: boolean; scope?: string }>;
    expect(await introspect()).toMatchObject({ active: true, scope: 'orders:read' });
    expect((await fetch(`${urls.issuer}/oauth2/revoke`, form({ token: secret }))).status).toBe(200);
    await until('it to be inactive', async () => !(await introspect()).active);
  });

  it('is burnt by whoever finds it', async () => {
    // An owner of its own: a leak is an incident, after which people look at whatever its owner asks for.
    const { secret } = await freshToken({ requester: { id: 'svc:e2e-burnt', team: 'orders' } });
    expect((await fetch(`${urls.issuer}/v1/burn`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: secret }) })).status).toBe(204);
    await until('it to be dead', async () => (await verify(secret)).code === 'REVOKED');
  });
});

describe('a narrowing', () => {
  it('of a token that needed two people approves itself, and is bounded by the token that it replaces (G1)', async () => {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:read', 'orders:write'], environment: 'prod', ttl: 'PT12H' }) });
    await untilStatus(requestId, 'held');
    for (const part of ['reviewer', 'reviewer2']) {
      await until('the review', () => as(part).policy.post(`/v1/reviews/${requestId}/votes`, { body: { vote: 'approve', reason: 'known job' } }).catch(() => undefined));
    }
    const { tokenId } = await untilStatus(requestId, 'issued');
    await requester.issuer.post(`/v1/tokens/${tokenId}/claim`);
    const { expiresAt } = await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
    const smaller = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ environment: 'prod', ttl: undefined, expiresAt, replaces: tokenId }) });
    const issued = await untilStatus(smaller.requestId, 'issued');
    expect(issued.decision?.because.map(({ id }) => id)).toContain('shrinking');
    expect(await requester.issuer.get<TokenView>(`/v1/tokens/${issued.tokenId}`)).toMatchObject({ scopes: ['orders:read'], expiresAt, replaces: tokenId });
    const again = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ environment: 'prod', ttl: undefined, expiresAt, replaces: tokenId }) });
    expect((await untilStatus(again.requestId, 'denied')).decision?.code).toBe('replaced-already');
  });
});

describe('an obvious burst from a network never seen', () => {
  it('suspends the token with a reason in words, and its owner’s word undoes it', async () => {
    // An owner of its own here too.
    const { tokenId, secret } = await freshToken({ requester: { id: 'svc:e2e-burst', team: 'orders' } });
    const use = (address: string) => verify(secret, ['orders:read'], { address, agent: 'export/1.0' });
    for (let i = 0; i < 8; i++) await use('203.0.113.7');
    // The usual use must have been reported before the unusual one begins.
    await until('the monitor to know the token', () => as('auditor').monitor.get<{ calls?: number }>(`/v1/usage/${tokenId}`).then(() => true, () => undefined));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    for (let i = 0; i < 60; i++) await Promise.all(Array.from({ length: 50 }, () => use('198.51.100.9')));
    await until('the token to be suspended', async () => (await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`)).state === 'suspended');
    expect((await use('203.0.113.7')).code).toBe('SUSPENDED');
    const { items } = await as('auditor').monitor.get<{ items: { tokenId: string; action: string; explanation: string }[] }>('/v1/alerts');
    expect(items.find((alert) => alert.tokenId === tokenId && alert.action === 'suspend')?.explanation).toMatch(/198\.51\.100/);
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ requester: { id: 'svc:e2e-burst', team: 'orders' } }) });
    await untilStatus(requestId, 'held');
    await requester.issuer.post(`/v1/tokens/${tokenId}/resume`, { body: { reason: 'it was us' } });
    await until('it to work again', async () => (await use('203.0.113.7')).code === 'VALID');
    // Resuming is the owner's word: the incident ends with it, for those too who ask on the owner's behalf.
    await until('trust to return', async () => (await as('reviewer').policy.get<ReviewAnswer>(`/v1/reviews/${requestId}`)).openIncidents === 0);
    expect((await as('auditor').monitor.get<{ items: { state: string }[] }>(`/v1/alerts?token=${tokenId}&action=suspend`)).items.map(({ state }) => state)).toEqual(['dismissed']);
    const next = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish({ requester: { id: 'svc:e2e-burst', team: 'orders' } }) });
    await untilStatus(next.requestId, 'issued');
  });
});

describe('a stranger', () => {
  it.each([
    ['request', 'GET', '/v1/requests'], ['request', 'POST', '/v1/requests'], ['request', 'POST', '/v1/upstreams'],
    ['policy', 'GET', '/v1/reviews'], ['policy', 'POST', '/v1/policy-sets'],
    ['issuer', 'GET', '/v1/tokens'], ['issuer', 'POST', '/v1/tokens/verify'], ['issuer', 'POST', '/oauth2/introspect'], ['issuer', 'POST', '/v1/gateways'],
    ['rotation', 'GET', '/v1/forecast'], ['audit', 'GET', '/v1/entries'], ['monitor', 'GET', '/v1/alerts'],
  ] as const)('gets no answer from %s %s %s (G10)', async (service, method, path) => {
    const call = method === 'GET' ? nobody()[service].get(path) : nobody()[service].post(path);
    expect(await refused(call)).toMatchObject({ status: 401 });
  });
});

describe('the log', () => {
  it('is intact to a verifier that has only its public key (G8)', async () => {
    const policy = parsePolicy(`log ${need('WRIT_LOG_VKEY')}\nquorum none\n`);
    const report = await until('a checkpoint', async () => {
      const checked = await verifyLog(urlSource(urls.audit), { policy });
      return (checked.verdict?.checkpoint.size ?? 0) > 0 && checked;
    });
    expect(report.findings).toEqual([]);
  });
});

describe('the gateway', () => {
  it('sees nothing of audiences that are not its own, and no difference between kinds of no', async () => {
    const junk = await verify(`writ_dev_${'a'.repeat(49)}`);
    expect(junk.valid).toBe(false);
    expect(await refused(gateway().issuer.post('/v1/tokens/verify', { body: { token: 7 } }))).toMatchObject({ status: 400 });
  });
});
