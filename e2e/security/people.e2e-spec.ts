import type { RequestAnswer } from '@writ/contracts';
import { as, statusOf, until, untilStatus, urls, wish } from '../platform.js';
import { ask, bearerOf, type Person } from './callers.js';

const security: Person = { sub: 'dev-reviewer', team: 'security', groups: ['security', 'writ-reviewers'] };
let requestId: string;

beforeEach(async () => {
  ({ requestId } = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'P1D' }) }));
  await untilStatus(requestId, 'held');
  await until('the review', () => as('reviewer').policy.get(`/v1/reviews/${requestId}`).catch(() => undefined));
});

async function vote(person: Person, claims: Record<string, unknown> = {}): Promise<{ status: number; code?: string }> {
  const { status, text } = await ask(`${urls.policy}/v1/reviews/${requestId}/votes`, { method: 'POST', authorization: `Bearer ${await bearerOf(person, claims)}`, body: { vote: 'approve', reason: 'attack' } });
  return { status, code: (JSON.parse(text) as { code?: string }).code };
}

const stillHeld = async () => expect(await statusOf(requestId)).toMatchObject({ status: 'held' });

describe('nobody approves their own request (G1, G10)', () => {
  it.each<[string, Person, Record<string, unknown>]>([
    ['the requester with a reviewer’s groups', { sub: 'dev-requester', groups: ['security', 'writ-reviewers'] }, {}],
    ['the requester under another case', { sub: 'Dev-Requester', groups: ['security', 'writ-reviewers'] }, {}],
    ['whoever the token is for', { sub: 'svc:e2e', groups: ['security', 'writ-reviewers'] }, {}],
    ['a machine with a reviewer’s groups', { sub: 'robot', groups: ['security', 'writ-reviewers'] }, { client_id: 'robot' }],
    ['a reviewer of none of the groups', { sub: 'dev-other', groups: ['writ-reviewers'] }, {}],
    ['a member of the group that is no reviewer', { sub: 'dev-other', groups: ['security'] }, {}],
    ['a reviewer whose groups are one text', { sub: 'dev-other' }, { groups: 'security,writ-reviewers' }],
    ['a reviewer whose groups differ by case', { sub: 'dev-other', groups: ['Security', 'WRIT-REVIEWERS'] }, {}],
    ['an administrator', { sub: 'dev-admin', groups: ['writ-admins', 'security'] }, {}],
  ])('%s', async (_, person, claims) => {
    expect((await vote(person, claims)).status).toBe(403);
    await stillHeld();
  });
});

describe('two approvals are two people (G1)', () => {
  it('the same one again, with other groups or under another case, is no second one', async () => {
    expect(await vote(security)).toMatchObject({ status: 200 });
    expect(await vote(security)).toMatchObject({ status: 409, code: 'already-voted' });
    expect(await vote({ ...security, team: 'orders', groups: ['security', 'orders', 'writ-reviewers'] })).toMatchObject({ status: 409 });
    await vote({ ...security, sub: 'DEV-Reviewer' });
    await stillHeld();
  });

  it('and the groups are those of the act: a former reviewer’s bearer token without them counts no more', async () => {
    expect((await vote({ ...security, groups: [] })).status).toBe(403);
    await stillHeld();
  });

  it('and the sign-in is fresh: an old one, or none that is stated, must be repeated', async () => {
    for (const claims of [{ auth_time: 1_000_000_000 }, { auth_time: undefined }, { auth_time: 'now' }]) expect(await vote(security, claims)).toEqual({ status: 401, code: 'step-up-needed' });
    await stillHeld();
  });

  it('and a vote that widens is none', async () => {
    const narrowed = (narrow: object) => ask(`${urls.policy}/v1/reviews/${requestId}/votes`, { method: 'POST', authorization: `Bearer ${process.env.WRIT_REVIEWER_TOKEN}`, body: { vote: 'approve', reason: 'attack', narrow } });
    expect((await narrowed({ scopes: ['orders:write', 'orders:read'] })).status).toBe(422);
    expect((await narrowed({ scopes: [] })).status).toBe(400);
    await stillHeld();
  });
});

describe('a request speaks only for its own (G10)', () => {
  const submit = async (person: Person, more: Record<string, unknown> = {}) => ask(`${urls.request}/v1/requests`, { method: 'POST', authorization: `Bearer ${await bearerOf(person)}`, body: wish(more) });

  it('another team in the body, and another requester, are refused', async () => {
    const mallory: Person = { sub: 'dev-mallory', team: 'billing', groups: ['writ-requesters'] };
    expect((await submit(mallory)).status).toBe(403);
    expect((await submit(mallory, { requester: { id: 'dev-mallory', team: 'orders' } })).status).toBe(403);
    expect((await submit(mallory, { requester: { id: 'dev-requester', team: 'billing' } })).status).toBe(403);
    expect((await submit({ ...mallory, team: undefined }, { requester: { id: 'dev-mallory', team: 'billing' } })).status).toBe(403);
  });
});
