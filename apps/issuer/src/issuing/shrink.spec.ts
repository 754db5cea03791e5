import type { Right, SignedRequest } from './may-issue.js';
import { shrunk, type Living } from './shrink.js';

const request = {
  requester: { id: 'svc:a', team: 'orders' }, claimant: { iss: 'idp', sub: 'sam' }, resource: 'orders', audience: 'orders', environment: 'prod',
} as SignedRequest;
const end = new Date('2026-07-01T12:00:00Z');
const right: Right = { scopes: ['orders:read'], expiresAt: new Date('2026-08-01T00:00:00Z'), requestedAtMs: 0 };
const token: Living['token'] = {
  state: 'active', owner_id: 'svc:a', owner_team: 'orders', claimant_iss: 'idp', claimant_sub: 'sam', resource: 'orders', audience: 'orders', environment: 'prod',
  scopes: ['orders:read', 'orders:write'], expires_at: end, networks: ['192.0.2.0/24'], rate_per_minute: 60,
};
const verdict = (more: Partial<Living['token']> = {}, isReplaced = false) => {
  const result = shrunk(right, request, { token: { ...token, ...more }, isReplaced });
  return 'code' in result ? result.code : result;
};

describe('a right that only shrinks a token', () => {
  it('is never more than that token: its end, its networks and its pace stay (G1)', () => {
    expect(verdict()).toEqual({ ...right, expiresAt: end, networks: ['192.0.2.0/24'], ratePerMinute: 60 });
    expect(verdict({ networks: null, rate_per_minute: null })).toEqual({ ...right, expiresAt: end });
  });

  it.each(['issued', 'suspended', 'revoked', 'expired'] as const)('is none where that token is %s', (state) => {
    expect(verdict({ state })).toBe('replaced-token-not-active');
  });

  it('is none where that token is unknown, or shrunk already', () => {
    expect(shrunk(right, request, undefined)).toMatchObject({ code: 'replaced-token-not-active' });
    expect(verdict({}, true)).toBe('replaced-already');
  });

  it.each([
    { owner_id: 'svc:b' }, { owner_team: 'billing' }, { claimant_sub: 'eve' }, { claimant_iss: 'other' }, { resource: 'billing' }, { audience: 'billing' }, { environment: 'dev' }, { scopes: ['orders:write'] },
  ])('is none where that token differs in %j (G10)', (more) => {
    expect(verdict(more)).toBe('not-a-narrowing');
  });
});
