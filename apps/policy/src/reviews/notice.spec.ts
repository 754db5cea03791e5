import type { AcceptedRequest, RequestId } from '@writ/contracts';
import { alikeKey, differences } from '../decisions/alike.js';
import { slackBody, standardBody, type NoticeFacts } from './notice.js';
import { wants, WebhookEndpoint } from './webhook-endpoint.js';

const iss = 'https://id.example';
const request: AcceptedRequest = {
  requestId: 'req_0000000000000000000000000a' as RequestId, source: 'http', submitter: { iss, sub: 'sam' }, requester: { id: 'svc:a', team: 'orders' }, claimant: { iss, sub: 'sam' },
  reason: '<!channel> please & thanks <https://evil.example|approve>', resource: 'orders', audience: 'orders', scopes: ['orders:write'], environment: 'prod', ttl: 'P1D', delivery: { mode: 'claim' },
};
const require = [{ group: 'security', approvers: 2 }];
const facts: NoticeFacts = {
  kind: 'review.opened', at: new Date('2026-06-01T12:00:00Z'), request, require, because: [{ id: 'prod-write', reason: 'two pairs of eyes' }], lapsesAt: '2026-06-01T16:00:00Z',
  link: 'https://console.example/reviews/req_0000000000000000000000000a',
};

describe('a message in a chat', () => {
  it('has one button, a link to where people sign in, and nothing that approves', () => {
    const { blocks } = JSON.parse(slackBody(facts)) as { blocks: { type: string; elements?: object[] }[] };
    expect(blocks.flatMap(({ elements = [] }) => elements)).toEqual([{ type: 'button', text: { type: 'plain_text', text: 'Look at it' }, url: facts.link }]);
  });

  it('cannot be made to mention everybody or to show a forged link by what a requester writes', () => {
    expect(slackBody(facts)).not.toMatch(/<!channel>|<https:/);
  });
});

describe('a notice', () => {
  it('carries what a receiver needs, and where a person decides', () => {
    expect(JSON.parse(standardBody({ ...facts, kind: 'review.closed', status: 'approved' }))).toMatchObject({
      type: 'review.closed', timestamp: '2026-06-01T12:00:00.000Z', data: { requestId: request.requestId, status: 'approved', require, url: facts.link },
    });
  });

  it('goes to those who can agree and to the team that asks, not to everybody', () => {
    const endpoint = (more: Partial<WebhookEndpoint>) => Object.assign(new WebhookEndpoint(), { name: 'x', url: 'https://x.example', secret: '' }, more);
    expect(wants(endpoint({}), 'review.opened', 'orders', ['security'])).toBe(true);
    expect(wants(endpoint({ groups: ['security'] }), 'review.opened', 'orders', ['security'])).toBe(true);
    expect(wants(endpoint({ groups: ['billing'] }), 'review.opened', 'orders', ['security'])).toBe(false);
    expect(wants(endpoint({ teams: ['billing'] }), 'review.opened', 'orders', ['security'])).toBe(false);
    expect(wants(endpoint({ hears: ['review.closed'] }), 'review.opened', 'orders', ['security'])).toBe(false);
  });
});

describe('alike requests', () => {
  it('are of one requester, for one place, with the same people to agree', () => {
    const key = alikeKey(request, 'review-required', require);
    expect(alikeKey({ ...request, reason: 'other', ttl: 'P2D', scopes: ['orders:read'] }, 'review-required', require)).toBe(key);
    expect(alikeKey({ ...request, requester: { id: 'svc:b', team: 'orders' } }, 'review-required', require)).not.toBe(key);
    expect(alikeKey({ ...request, environment: 'dev' }, 'review-required', require)).not.toBe(key);
    expect(alikeKey({ ...request, claimant: { iss, sub: 'mallory' } }, 'review-required', require)).not.toBe(key);
    expect(alikeKey(request, 'review-required', [{ group: 'security', approvers: 1 }])).not.toBe(key);
  });

  it('show every difference', () => {
    expect(differences(request, { ...request, scopes: ['orders:write', 'orders:admin'], ttl: undefined, expiresAt: '2027-01-01T00:00:00Z' })).toEqual([
      { field: 'scopes', here: 'orders:write', there: 'orders:admin orders:write' }, { field: 'ttl', here: 'P1D', there: '' }, { field: 'expiresAt', here: '', there: '2027-01-01T00:00:00Z' },
    ]);
  });
});
