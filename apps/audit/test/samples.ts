import { makeId, type Digest, type EventData, type RequestId, type TokenId } from '@writ/contracts';
import { randomBytes } from 'node:crypto';

/** Events as the services say them, with people in them. */
export const newToken = (): TokenId => makeId('tok', Date.now(), randomBytes(10));
export const newRequest = (): RequestId => makeId('req', Date.now(), randomBytes(10));
export const statement = 'eyJhbGciOiJFZERTQSJ9.e30.c2ln';
const digest = `sha256:${'ab'.repeat(32)}` as Digest;
const at = '2026-01-01T00:00:00Z';

export const submitted = (requestId: RequestId, who: string): EventData<'request.submitted'> => ({
  requestId, source: 'ci', submissionId: 's-1', submitter: { iss: 'urn:writ:upstream', sub: 'ci' }, requester: { id: who, team: 'orders' },
  claimant: { iss: 'https://id.example', sub: who }, reason: `nightly export for ${who}`, resource: 'orders', audience: 'orders', scopes: ['orders:read'],
  environment: 'prod', ttl: 'P1D', delivery: { mode: 'claim' }, requestDigest: digest, statement,
});
export const recorded = (requestId: RequestId, who: string): EventData<'review.recorded'> => ({
  requestId, requestDigest: digest, reviewer: { iss: 'https://id.example', sub: who }, vote: 'approve', reason: `fine, says ${who}`, statement,
});
export const approved = (requestId: RequestId): EventData<'request.approved'> => ({
  requestId, requestDigest: digest, policyDigest: digest, code: 'approved-by-quorum', because: [], grant: { scopes: ['orders:read'], ttlSeconds: 86_400 },
  require: [{ group: 'security', approvers: 1 }], statement, votes: [statement],
});
export const issued = (tokenId: TokenId, requestId: RequestId, who: string): EventData<'token.issued'> => ({
  tokenId, requestId, owner: { id: who, team: 'orders' }, claimant: { iss: 'https://id.example', sub: who }, resource: 'orders', audience: 'orders',
  scopes: ['orders:read'], environment: 'prod', issuedAt: at, expiresAt: '2026-01-02T00:00:00Z', delivery: { mode: 'claim' },
});
export const used = (tokenId: TokenId, count: number): EventData<'usage.recorded'> => ({
  verifierId: 'vrf_0000000000000000000000000a', watermark: at,
  records: Array.from({ length: count }, (_, i) => ({
    ...(i % 2 === 0 ? { tokenId, generation: 1, code: 'VALID' as const } : { code: 'NOT_FOUND' as const }), gateway: 'edge', network: `203.0.113.${i % 250}/24`, agent: 'curl', count: 3, firstAt: at, lastAt: at,
  })),
});
export const revoked = (tokenId: TokenId, who: string): EventData<'token.revoked'> => ({
  tokenId, seq: 7, by: { kind: 'person', principal: { iss: 'https://id.example', sub: who } }, code: 'revoked-by-owner', reason: `${who} is done`,
});
export const alive = (service = 'issuer'): EventData<'service.alive'> => ({ service, at });
