import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { requestDigest, signStatement, type Grant, type PolicySetClaims, type Purpose, type Quorum, type SigningKey, type Trust, type TrustedKey } from '@writ/contracts';
import { mayIssue, type Approval, type SignedRequest } from './may-issue.js';

const now = new Date('2026-06-01T12:00:00Z');
const iat = now.getTime() / 1000;
const policyDigest = `sha256:${'1'.repeat(64)}` as never;
const ceilings = { maxLifetimeSeconds: 30 * 86_400 };

function service(name: string, purposes: Purpose[]): [SigningKey, TrustedKey] {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return [{ kid: name, privateKey }, { kid: name, service: name, purposes, publicKey }];
}
const [requestKey, requestTrust] = service('request', ['request']);
const [policyKey, policyTrust] = service('policy', ['decision', 'vote']);
const [strangerKey] = service('stranger', ['decision']);
const trust: Trust = new Map([requestTrust, policyTrust].map((key) => [key.kid, key]));

function asked(more: Partial<SignedRequest> = {}): SignedRequest {
  const request = {
    requestId: 'req_00000000000000000000000001' as never, source: 'http', submitter: { iss: 'idp', sub: 'submitter' }, requester: { id: 'alice', team: 'orders' },
    claimant: { iss: 'idp', sub: 'alice' }, reason: '', resource: 'orders', audience: 'orders', scopes: ['orders:read', 'orders:write'], environment: 'prod', ttl: 'P10D',
    delivery: { mode: 'claim' as const }, ...more,
  };
  const digest = requestDigest(request);
  return { ...request, requestDigest: digest, statement: signStatement(requestKey, 'request', { iat, requestId: request.requestId, requestDigest: digest }) };
}

interface Decided {
  grant?: Grant;
  require?: Quorum[];
  votes?: string[];
  claims?: object;
  key?: SigningKey;
  event?: Partial<Approval>;
}
function approved(request: SignedRequest, { grant = { scopes: request.scopes }, require = [], votes = [], claims = {}, key = policyKey, event = {} }: Decided = {}): Approval {
  const { requestId, requestDigest: digest } = request;
  const statement = signStatement(key, 'decision', { iat, exp: iat + 60, requestId, requestDigest: digest, outcome: 'approve', policyDigest, inputDigest: policyDigest, grant, require, ...claims });
  return { requestId, requestDigest: digest as never, policyDigest, grant, require, statement, votes, ...event };
}
const vote = (request: SignedRequest, sub: string, more: object = {}) => signStatement(policyKey, 'vote', {
  iat, exp: iat + 60, requestId: request.requestId, requestDigest: request.requestDigest, reviewer: { iss: 'idp', sub }, groups: ['security'], vote: 'approve', ...more,
});
const two: Quorum[] = [{ group: 'security', approvers: 2 }];
const verdictOf = (request: SignedRequest, approval: Approval, active?: PolicySetClaims) => mayIssue(request, approval, active, trust, ceilings, now);
const codeOf = (request: SignedRequest, approval: Approval, active?: PolicySetClaims) => {
  const verdict = verdictOf(request, approval, active);
  return 'refusal' in verdict ? verdict.refusal.code : 'issued';
};

describe('what may be issued', () => {
  it('shrinks the token that the request replaces, and no other (G1)', () => {
    const request = asked({ replaces: 'tok_00000000000000000000000001' as never });
    expect(verdictOf(request, approved(request, { claims: { shrinks: request.replaces } }))).toMatchObject({ right: { shrinks: request.replaces } });
    expect(codeOf(request, approved(request, { claims: { shrinks: 'tok_00000000000000000000000002' } }))).toBe('approval-changed');
    expect(codeOf(asked(), approved(asked(), { claims: { shrinks: request.replaces } }))).toBe('approval-changed');
  });

  it('is what was requested and decided, until the earliest end (G1)', () => {
    const request = asked();
    expect(verdictOf(request, approved(request))).toMatchObject({ right: { scopes: ['orders:read', 'orders:write'], expiresAt: new Date('2026-06-11T12:00:00Z') } });
    const narrowed = approved(request, { grant: { scopes: ['orders:read'], ttlSeconds: 3_600, rotateSeconds: 60, networks: ['192.0.2.0/24'] } });
    expect(verdictOf(request, narrowed)).toMatchObject({ right: { scopes: ['orders:read'], expiresAt: new Date('2026-06-01T13:00:00Z'), rotateSeconds: 60, networks: ['192.0.2.0/24'] } });
  });

  it('never lives longer than the issuer’s own ceiling (G6)', () => {
    const request = asked({ ttl: 'P300D' });
    expect(verdictOf(request, approved(request))).toMatchObject({ right: { expiresAt: new Date('2026-07-01T12:00:00Z') } });
  });

  it('is nothing where a byte differs between request, decision and message (G1)', () => {
    const request = asked();
    const other = asked({ requestId: 'req_00000000000000000000000002' as never });
    const cases: [string, SignedRequest, Approval][] = [
      ['request-changed', { ...request, scopes: ['orders:admin'] }, approved(request)],
      ['request-changed', { ...request, claimant: { iss: 'idp', sub: 'mallory' } }, approved(request)],
      ['request-changed', { ...request, statement: other.statement }, approved(request)],
      ['request-statement-malformed', { ...request, statement: 'junk' }, approved(request)],
      ['approval-for-another-request', request, approved(other)],
      ['approval-for-another-request', request, { ...approved(other), requestId: request.requestId, requestDigest: request.requestDigest as never }],
      ['decision-statement-unknown-key', request, approved(request, { key: strangerKey })],
      ['decision-statement-unknown-key', request, approved(request, { key: { ...requestKey, kid: 'nobody' } })],
      ['decision-statement-wrong-purpose', request, approved(request, { key: requestKey })],
      ['decision-statement-expired', request, approved(request, { claims: { exp: iat - 1 } })],
      ['decision-without-end', request, approved(request, { claims: { exp: undefined } })],
      ['not-approved', request, approved(request, { claims: { outcome: 'hold' } })],
      ['not-approved', request, approved(request, { claims: { outcome: 'deny' } })],
      ['not-approved', request, approved(request, { claims: { grant: undefined } })],
      ['approval-changed', request, approved(request, { event: { grant: { scopes: request.scopes, ttlSeconds: 9 } } })],
      ['approval-changed', request, approved(request, { require: two, event: { require: [] } })],
      ['approval-changed', request, approved(request, { event: { policyDigest: `sha256:${'2'.repeat(64)}` as never } })],
      ['grant-exceeds-request', request, approved(request, { grant: { scopes: ['orders:admin'] } })],
      ['already-over', request, approved(request, { grant: { scopes: request.scopes, expiresAt: '2026-06-01T12:00:00Z' } })],
    ];
    expect(cases.map(([, ...one]) => codeOf(...one))).toEqual(cases.map(([code]) => code));
  });

  const other = `sha256:${'2'.repeat(64)}` as never;
  it.each([
    ['the set that decides', 'issued', { activation: 3 }, policyDigest, 0],
    ['a set that was replaced before', 'policy-replaced', { activation: 2 }, other, -60],
    ['a set that was replaced after it', 'issued', { activation: 2 }, other, 60],
    ['a set that was replaced as it decided, by another clock', 'issued', { activation: 2 }, other, -5],
    ['an activation that is still to be heard of', 'issued', { activation: 4 }, other, -60],
    ['that activation, with another set', 'policy-replaced', { activation: 3 }, other, 60],
    ['an activation that it does not name', 'issued', {}, other, -60],
  ])('by a decision of %s: %s (G1)', (_what, code, claims, active, seconds) => {
    const request = asked();
    expect(codeOf(request, approved(request, { claims }), { iat: iat + seconds, policyDigest: active, activation: 3 })).toBe(code);
  });
});

describe('a quorum', () => {
  const request = asked();
  const withVotes = (...votes: string[]) => codeOf(request, approved(request, { require: two, votes }));

  it('is counted here, from distinct people of the group (G1)', () => {
    expect(withVotes(vote(request, 'bob'), vote(request, 'carol'))).toBe('issued');
    expect(withVotes(vote(request, 'bob'))).toBe('quorum-missing');
    expect(withVotes(vote(request, 'bob'), vote(request, 'bob'))).toBe('quorum-missing');
    expect(withVotes(vote(request, 'bob'), vote(request, 'bob', { reviewer: { iss: 'other', sub: 'bob' } }))).toBe('issued');
    expect(withVotes(vote(request, 'bob'), vote(request, 'carol', { groups: ['orders'] }))).toBe('quorum-missing');
  });

  it('has no vote of whoever asks or the token is for (G10)', () => {
    for (const sub of ['alice', 'submitter']) expect(withVotes(vote(request, 'bob'), vote(request, 'carol'), vote(request, sub))).toBe('vote-of-involved');
  });

  it('is broken by a vote that says no, is over, or is about something else (G1)', () => {
    const good = [vote(request, 'bob'), vote(request, 'carol')];
    const other = asked({ scopes: ['orders:read'] });
    expect(withVotes(...good, vote(request, 'dave', { vote: 'deny' }))).toBe('vote-denies');
    expect(withVotes(...good, vote(request, 'dave', { exp: iat - 1 }))).toBe('vote-statement-expired');
    expect(withVotes(...good, vote(request, 'dave', { exp: undefined }))).toBe('vote-without-end');
    expect(withVotes(...good, vote(other, 'dave'))).toBe('vote-for-another-request');
  });

  it('narrows what is granted, to nothing if need be (G1)', () => {
    const narrowing = (narrow: object) => approved(request, { require: two, votes: [vote(request, 'bob', { narrow }), vote(request, 'carol')] });
    expect(verdictOf(request, narrowing({ scopes: ['orders:read'], expiresAt: '2026-06-02T00:00:00Z' }))).toMatchObject({ right: { scopes: ['orders:read'], expiresAt: new Date('2026-06-02T00:00:00Z') } });
    const apart = approved(request, { require: two, votes: [vote(request, 'bob', { narrow: { scopes: ['orders:read'] } }), vote(request, 'carol', { narrow: { scopes: ['orders:write'] } })] });
    expect(codeOf(request, apart)).toBe('nothing-left');
  });
});

it('grants, for every request, decision and vote, no scope that one of them lacks and no end later than the earliest (G1)', () => {
  const scopes = fc.uniqueArray(fc.constantFrom<string>('a:1', 'a:2', 'a:3', 'a:4'), { minLength: 1 });
  const days = fc.integer({ min: 1, max: 60 });
  fc.assert(fc.property(scopes, scopes, scopes, days, days, days, (requested, granted, narrowed, requestDays, grantDays, voteDays) => {
    const request = asked({ scopes: requested, ttl: `P${requestDays}D` });
    const grant = { scopes: granted, ttlSeconds: grantDays * 86_400 };
    const narrow = { scopes: narrowed, expiresAt: new Date(now.getTime() + voteDays * 86_400_000).toISOString() };
    const verdict = verdictOf(request, approved(request, { grant, require: [{ group: 'security', approvers: 1 }], votes: [vote(request, 'bob', { narrow })] }));
    if ('refusal' in verdict) return granted.some((scope) => !requested.includes(scope)) || !requested.some((scope) => granted.includes(scope) && narrowed.includes(scope));
    const { right } = verdict;
    return right.scopes.every((scope) => requested.includes(scope) && granted.includes(scope) && narrowed.includes(scope))
      && right.expiresAt.getTime() === now.getTime() + Math.min(requestDays, grantDays, voteDays, 30) * 86_400_000;
  }), { numRuns: 300 });
});
