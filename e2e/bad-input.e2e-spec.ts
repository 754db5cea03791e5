import { randomUUID } from 'node:crypto';
import { as, entriesOf, until, untilStatus, Upstream, urls, need, wish } from './platform.js';

let upstream: Upstream;
beforeAll(async () => {
  upstream = await Upstream.connect();
});
afterAll(() => upstream.close());

/** What an upstream may send that cannot be accepted; each is answered by code and the consumer goes on. */
const bodies: [string, (id: string) => Buffer | string | Record<string, unknown>, string][] = [
  ['an unknown field', (id) => upstream.envelope({ ...wish(), extra: true }, { id }), 'invalid-body'],
  ['a field whose name is NUL', (id) => upstream.envelope({ ...wish(), '\u0000': true }, { id }), 'invalid-body'],
  ['no reason', (id) => upstream.envelope(wish({ reason: undefined }), { id }), 'invalid-body'],
  ['no requester', (id) => upstream.envelope(wish({ requester: undefined }), { id }), 'invalid-body'],
  ['no delivery', (id) => upstream.envelope(wish({ delivery: null }), { id }), 'invalid-body'],
  ['no end', (id) => upstream.envelope(wish({ ttl: undefined }), { id }), 'invalid-body'],
  ['two ends', (id) => upstream.envelope(wish({ expiresAt: '2030-01-01T00:00:00Z' }), { id }), 'invalid-body'],
  ['an end in the past', (id) => upstream.envelope(wish({ ttl: undefined, expiresAt: '2020-01-01T00:00:00Z' }), { id }), 'expiry-in-the-past'],
  ['months', (id) => upstream.envelope(wish({ ttl: 'P1M' }), { id }), 'invalid-body'],
  ['__proto__', (id) => JSON.stringify(upstream.envelope(wish(), { id })).replace('"requester":', '"__proto__":{"admin":true},"requester":'), 'invalid-body'],
  ['a lone surrogate', (id) => JSON.stringify(upstream.envelope(wish({ reason: 'REPLACE' }), { id })).replace('REPLACE', '\\ud800'), 'invalid-body'],
  ['a wrong type', (id) => upstream.envelope(wish({ scopes: 'orders:read' }), { id }), 'invalid-body'],
  ['another one’s source', (id) => upstream.envelope(wish(), { id, source: 'urn:writ:upstream:somebody' }), 'wrong-source'],
  ['another type', (id) => upstream.envelope(wish(), { id, type: 'writ.request.approved' }), 'wrong-type'],
  ['a team that is not its own', (id) => upstream.envelope(wish({ requester: { id: 'svc:e2e', team: 'billing' } }), { id }), 'team-mismatch'],
  ['an environment that is not its own', (id) => upstream.envelope(wish({ environment: 'staging' }), { id }), 'environment-not-allowed'],
  ['a sealing key that nobody registered', (id) => upstream.envelope(wish({ delivery: { mode: 'sealed', keyId: 'nobodys' } }), { id }), 'sealing-key-unknown'],
];

describe('an upstream that sends', () => {
  it.each(bodies)('%s is told so by code, and the next request goes on', async (_, body, code) => {
    const id = randomUUID();
    await upstream.submit(body(id));
    const refusal = await upstream.outcome('request.refused', (data) => data.submissionId === id);
    expect(refusal.data.code).toBe(code);
    const next = upstream.envelope(wish());
    await upstream.submit(next);
    await upstream.outcome('token.issued', (data) => data.submissionId === next.id);
  });

  it('broken JSON, 64 KiB or more, and junk is told so too', async () => {
    const before = upstream.ofType('request.refused').length;
    await upstream.submit('{"specversion":');
    await upstream.submit(Buffer.from([0xff, 0xfe, 0x00]));
    await upstream.submit(upstream.envelope(wish({ reason: 'x'.repeat(70_000) })));
    await until('three refusals', () => upstream.ofType('request.refused').length >= before + 3);
    expect(upstream.ofType('request.refused').slice(before).map(({ data }) => data.code).sort()).toEqual(['malformed-json', 'malformed-json', 'too-large']);
  });

  it('no user id is parked and recorded, not answered: nobody knows who it was', async () => {
    const rejected = async () => (await entriesOf({ type: 'audit.rejected' })).length;
    const before = await rejected();
    await upstream.submit(upstream.envelope(wish()), { userId: null });
    await until('the log to say so', async () => await rejected() > before);
  });

  it('a forged user id never arrives: the broker closes the channel (G10)', async () => {
    const forger = await Upstream.connect();
    const closed = new Promise((resolve) => forger.channel.once('error', resolve));
    forger.submit(forger.envelope(wish()), { userId: 'writ-policy' }).catch(() => undefined);
    expect(String(await closed)).toMatch(/PRECONDITION_FAILED|406/);
    await forger.close();
  });
});

describe('over HTTP', () => {
  const post = async (body: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${urls.request}/v1/requests`, { method: 'POST', body, headers: { authorization: `Bearer ${need('WRIT_REQUESTER_TOKEN')}`, 'content-type': 'application/json', ...headers } });
    return { status: response.status, type: response.headers.get('content-type'), body: (await response.json()) as { code: string; errors?: { pointer: string }[] } };
  };

  it.each([
    ['broken JSON', '{"requester":', 400],
    ['an array', '[]', 400],
    ['an unknown field', JSON.stringify({ ...wish(), extra: 1 }), 400],
    ['__proto__', '{"__proto__":{"a":1}}', 400],
    ['a past end', JSON.stringify(wish({ ttl: undefined, expiresAt: '2020-01-01T00:00:00Z' })), 400],
    ['64 KiB and more', JSON.stringify(wish({ reason: 'x'.repeat(70_000) })), 413],
  ])('%s is a problem document with a code', async (_, body, status) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status, type: expect.stringContaining('application/problem+json'), body: { code: expect.stringMatching(/^[a-z-]+$/) } });
  });

  it('the same Idempotency-Key is the same request, with another body it is refused', async () => {
    const key = randomUUID();
    const first = await post(JSON.stringify(wish()), { 'idempotency-key': key });
    const again = await post(JSON.stringify(wish()), { 'idempotency-key': key });
    expect(again.body).toEqual(first.body);
    expect((await post(JSON.stringify(wish({ reason: 'other' })), { 'idempotency-key': key })).status).toBe(422);
    await untilStatus((first.body as unknown as { requestId: string }).requestId, 'issued');
  });

  it('an unknown id, another one’s request, a wrong role', async () => {
    const refused = (work: Promise<unknown>) => work.then(() => 200, (error: { status?: number }) => error.status);
    expect(await refused(as('requester').request.get('/v1/requests/req_00000000000000000000000000'))).toBe(404);
    expect(await refused(as('requester').policy.get('/v1/reviews'))).toBe(403);
    expect(await refused(as('requester').audit.get('/v1/entries'))).toBe(403);
  });
});
