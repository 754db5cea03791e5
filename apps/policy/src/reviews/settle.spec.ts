import fc from 'fast-check';
import type { AcceptedRequest, RequestId } from '@writ/contracts';
import type { Decision } from '@writ/policy';
import { grantOf, stricter } from '../decisions/grant.js';
import { isFull, remaining, settle, type CastVote, type ReviewFacts } from './settle.js';

const iss = 'https://id.example';
const now = new Date('2026-06-01T12:00:00Z');
const request: AcceptedRequest = {
  requestId: 'req_0000000000000000000000000a' as RequestId, source: 'http', submitter: { iss, sub: 's' }, requester: { id: 'svc:a', team: 'orders' }, claimant: { iss, sub: 's' },
  reason: 'r', resource: 'orders', audience: 'orders', scopes: ['orders:write', 'orders:read'], environment: 'prod', ttl: 'P7D', delivery: { mode: 'claim' },
};
const held = (more: Partial<Decision> = {}): Decision => ({
  outcome: 'hold', code: 'review-required', message: '', because: [], require: { security: 2 }, obligations: { maxTtlSeconds: 86_400 }, obligedBy: [],
  policyDigest: 'sha256:0', engineVersion: 'x', input: null, inputDigest: 'sha256:0', errors: [], ...more,
});
const yes = (sub: string, groups = ['security'], narrow?: CastVote['narrow']): CastVote => ({ reviewer: { iss, sub }, groups, vote: 'approve', narrow });
const facts = (votes: CastVote[], more: Partial<ReviewFacts> = {}): ReviewFacts => ({
  request, votes, require: [{ group: 'security', approvers: 2 }], obligations: { maxTtlSeconds: 86_400 }, fresh: held(), now, ...more,
});

describe('what votes come to (G1)', () => {
  it('waits until enough distinct people of each group agreed', () => {
    expect(settle(facts([yes('a')])).state).toBe('open');
    expect(settle(facts([yes('a'), yes('a')])).state).toBe('open');
    expect(settle(facts([yes('a'), yes('b', ['orders'])])).state).toBe('open');
    expect(settle(facts([yes('a'), yes('b')])).state).toBe('approved');
  });

  it('needs every group, and counts a person in each of their groups', () => {
    const require = [{ group: 'security', approvers: 1 }, { group: 'orders', approvers: 1 }];
    const fresh = held({ require: { security: 1, orders: 1 } });
    expect(settle(facts([yes('a')], { require, fresh })).state).toBe('open');
    expect(settle(facts([yes('a', ['security', 'orders'])], { require, fresh })).state).toBe('approved');
  });

  it('is never approved by an empty quorum', () => {
    expect(isFull([], [])).toBe(false);
    expect(settle(facts([yes('a'), yes('b')], { require: [], fresh: held({ require: {} }) })).state).toBe('open');
  });

  it('ends with one denial, also beside a full quorum', () => {
    const no: CastVote = { reviewer: { iss, sub: 'c' }, groups: ['security'], vote: 'deny' };
    expect(settle(facts([yes('a'), yes('b'), no]))).toEqual({ state: 'denied', code: 'denied-by-reviewer' });
  });

  it('is bound by rules that were tightened while people voted', () => {
    const votes = [yes('a'), yes('b')];
    expect(settle(facts(votes, { fresh: held({ outcome: 'deny', code: 'forbidden', require: undefined }) }))).toEqual({ state: 'denied', code: 'denied-by-policy' });
    expect(settle(facts(votes, { fresh: held({ require: { security: 3 } }) }))).toEqual({ state: 'open', require: [{ group: 'security', approvers: 3 }] });
    expect(settle(facts(votes, { fresh: held({ obligations: { maxTtlSeconds: 3_600 } }) }))).toMatchObject({ grant: { ttlSeconds: 3_600 } });
    expect(settle(facts(votes, { fresh: held({ obligations: {} }) }))).toMatchObject({ grant: { ttlSeconds: 86_400 } });
  });

  it('denies what nothing is left of', () => {
    const end = { expiresAt: '2026-06-01T11:59:59Z' };
    expect(settle(facts([yes('a', ['security'], end), yes('b')]))).toEqual({ state: 'denied', code: 'end-has-passed' });
    expect(settle(facts([yes('a', ['security'], { scopes: ['orders:read'] }), yes('b', ['security'], { scopes: ['orders:write'] })]))).toEqual({ state: 'denied', code: 'narrowed-to-nothing' });
  });

  it('says how many of each group are still to agree', () => {
    expect(remaining([{ group: 'security', approvers: 2 }], [yes('a')])).toEqual([{ group: 'security', approvers: 2, remaining: 1 }]);
  });
});

describe('a grant', () => {
  const narrowing = fc.record({
    scopes: fc.option(fc.subarray(['orders:read', 'orders:write', 'orders:admin'], { minLength: 1 }), { nil: undefined }),
    expiresAt: fc.option(fc.integer({ min: 1, max: 365 * 86_400 }).map((s) => new Date(now.getTime() + s * 1000).toISOString()), { nil: undefined }),
  });

  it('is for every narrowing within the request, the obligations and each vote (G1)', () => {
    fc.assert(fc.property(fc.array(narrowing, { maxLength: 5 }), fc.option(fc.integer({ min: 1, max: 10_000_000 }), { nil: undefined }), (narrowings, maxTtlSeconds) => {
      const grant = grantOf(request, { maxTtlSeconds }, narrowings, now);
      if (typeof grant === 'string') return expect(grant).toBe('narrowed-to-nothing');
      expect(request.scopes).toEqual(expect.arrayContaining(grant.scopes));
      expect(grant.ttlSeconds).toBeLessThanOrEqual(Math.min(604_800, maxTtlSeconds ?? Infinity));
      for (const { scopes, expiresAt } of narrowings) {
        if (scopes) expect(scopes).toEqual(expect.arrayContaining(grant.scopes));
        if (expiresAt) expect(Date.parse(grant.expiresAt!)).toBeLessThanOrEqual(Date.parse(expiresAt));
      }
    }));
  });

  it('obeys the stricter of two obligations, kind by kind', () => {
    expect(stricter({ maxTtlSeconds: 5, rotateSeconds: 9 }, { maxTtlSeconds: 7, graceSeconds: 1 })).toEqual({ maxTtlSeconds: 5, rotateSeconds: 9, graceSeconds: 1 });
  });
});
