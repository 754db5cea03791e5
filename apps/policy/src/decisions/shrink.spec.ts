import type { AcceptedRequest, DecisionClaims, RequestId, TokenId } from '@writ/contracts';
import { digestOf } from '@writ/contracts';
import type { CanonicalFacts, Decision } from '@writ/policy';
import { approvedBy, isShrinking, type Approved } from './shrink.js';

const iss = 'https://id.example';
const now = new Date('2026-06-01T12:00:00Z');
const request: AcceptedRequest = {
  requestId: 'req_0000000000000000000000000b' as RequestId, source: 'http', submitter: { iss, sub: 'sam' }, requester: { id: 'svc:a', team: 'orders' }, claimant: { iss, sub: 'sam' },
  reason: 'r', resource: 'orders', audience: 'orders', scopes: ['orders:read'], environment: 'prod', expiresAt: '2026-07-01T12:00:00.123Z', delivery: { mode: 'claim' },
  replaces: 'tok_0000000000000000000000000a' as TokenId,
};
const signed = { replaces: { requestId: 'req_0000000000000000000000000a' as RequestId, expiresAt: '2026-07-01T12:00:00.123Z' } };
const input: CanonicalFacts = {
  audience: 'orders', environment: 'prod', replaces: false, requester: { id: 'svc:a', openIncidents: 0, team: 'orders', trust: 'normal' }, resource: 'orders',
  scopes: ['orders:admin', 'orders:read', 'orders:write'], shrinkOnly: false, submitter: 'sam', ttlSeconds: 2_592_000,
};
const approved: Approved = { input, scopes: ['orders:read', 'orders:write'] };

const table: [what: string, shrinks: boolean, request: Partial<AcceptedRequest>][] = [
  ['fewer scopes until the same end', true, {}],
  ['the same scopes until an earlier end', true, { scopes: ['orders:read', 'orders:write'], expiresAt: '2026-06-20T00:00:00Z' }],
  ['fewer scopes for a shorter time', true, { expiresAt: undefined, ttl: 'P20D' }],
  ['just the same', false, { scopes: ['orders:write', 'orders:read'] }],
  ['a later end by a millisecond', false, { expiresAt: '2026-07-01T12:00:00.124Z' }],
  ['a lifetime that ends later', false, { expiresAt: undefined, ttl: 'P31D' }],
  ['no end at all', false, { expiresAt: undefined }],
  ['a scope that was asked for then and not granted', false, { scopes: ['orders:admin'] }],
  ['another owner', false, { requester: { id: 'svc:b', team: 'orders' } }],
  ['another team', false, { requester: { id: 'svc:a', team: 'billing' } }],
  ['another resource', false, { resource: 'billing', audience: 'billing' }],
  ['another environment', false, { environment: 'dev' }],
  ['no token to replace', false, { replaces: undefined }],
];

describe('a request that replaces a token', () => {
  it.each(table)('for %s: shrinks it is %s (G1)', (_what, shrinks, more) => {
    expect(isShrinking({ ...request, ...more }, signed, approved, now)).toBe(shrinks);
  });

  it('shrinks nothing that was not approved here, or that the request service does not vouch for (G9)', () => {
    expect(isShrinking(request, signed, undefined, now)).toBe(false);
    expect(isShrinking(request, {}, approved, now)).toBe(false);
    expect(isShrinking(request, { replaces: { ...signed.replaces, expiresAt: 'soon' } }, approved, now)).toBe(false);
  });

  it('is held against what was granted, and only where the record is the one that was signed', () => {
    const record = { input } as Decision;
    const claims = { outcome: 'approve', grant: { scopes: ['orders:read'] }, inputDigest: digestOf(input) } as unknown as DecisionClaims;
    expect(approvedBy(record, claims)).toEqual({ input, scopes: ['orders:read'] });
    expect(approvedBy({ input: { ...input, environment: 'dev' } } as Decision, claims)).toBeUndefined();
    expect(approvedBy(record, { ...claims, outcome: 'hold' })).toBeUndefined();
    expect(approvedBy({ input: null } as Decision, claims)).toBeUndefined();
  });
});
