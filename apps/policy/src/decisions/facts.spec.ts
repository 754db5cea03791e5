import type { AcceptedRequest, RequestId } from '@writ/contracts';
import { factsOf, trustLevel } from './facts.js';
import { widening } from '../reviews/narrowing.js';

const iss = 'https://id.example';
const request: AcceptedRequest = {
  requestId: 'req_0000000000000000000000000a' as RequestId, source: 'http', submitter: { iss, sub: 'sam' }, requester: { id: 'svc:a', team: 'orders' }, claimant: { iss, sub: 'sam' },
  reason: 'r', resource: 'orders', audience: 'orders', scopes: ['orders:read'], environment: 'dev', delivery: { mode: 'claim' },
};
const now = new Date('2026-06-01T12:00:00.400Z');

describe('the facts of a request', () => {
  it('count a lifetime from issue, and an absolute end from now, rounded up', () => {
    expect(factsOf({ ...request, ttl: 'PT1H' }, undefined, false, now).ttlSeconds).toBe(3_600);
    expect(factsOf({ ...request, expiresAt: '2026-06-01T12:00:10Z' }, undefined, false, now).ttlSeconds).toBe(10);
    expect(factsOf({ ...request, expiresAt: '2026-06-01T11:00:00Z' }, undefined, false, now).ttlSeconds).toBeLessThan(0);
  });

  it('never call a request harmless because it says that it replaces something', () => {
    expect(factsOf({ ...request, ttl: 'P1D', replaces: 'tok_0000000000000000000000000a' as never }, undefined, false, now)).toMatchObject({ replaces: true, shrinkOnly: false });
  });

  it.each([
    [undefined, 'normal'],
    [{ openIncidents: 0, code: 'incident-closed' }, 'normal'],
    [{ openIncidents: 1, code: 'incident-opened' }, 'watched'],
    [{ openIncidents: 1, code: 'something-new' }, 'watched'],
    [{ openIncidents: 2, code: 'honeytoken-source' }, 'distrusted'],
    [{ openIncidents: 0, code: 'honeytoken-source' }, 'normal'],
  ] as const)('trust of %j is %s', (trust, level) => expect(trustLevel(trust)).toBe(level));
});

describe('a vote', () => {
  it('adds neither scopes nor time', () => {
    const asked = { ...request, expiresAt: '2026-07-01T00:00:00Z' };
    expect(widening(asked, { scopes: ['orders:read'] })).toBeUndefined();
    expect(widening(asked, { scopes: ['orders:read', 'orders:write'] })).toMatch('orders:write');
    expect(widening(asked, { expiresAt: '2026-07-01T00:00:00.000Z' })).toBeUndefined();
    expect(widening(asked, { expiresAt: '2026-07-01T00:00:01Z' })).toMatch('later');
  });
});
