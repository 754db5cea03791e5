import type { Service } from '@writ/service';
import type { Tap } from '@writ/testing';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start();
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const verify = (token: string, more: object = {}, as = gateway) => issuing.post(issuer, '/v1/tokens/verify', { token, ...more }, as);

describe('a token', () => {
  it('is requested, approved, issued, claimed, verified and revoked', async () => {
    const { tokenId } = await issuing.issued();
    const claim = await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, {}, await issuing.bearer('alice'));
    expect(claim.status).toBe(201);
    expect(claim.headers.get('cache-control')).toBe('no-store');
    const token = claim.body.secret;
    expect(token).toMatch(/^writ_dev_[0-9A-Za-z]{49}$/);
    await tap.next('token.delivered', (data) => data.tokenId === tokenId);
    const answer = await verify(token, { scopes: ['orders:read'] });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ valid: true, code: 'VALID', tokenId, owner: 'alice', audience: 'orders', environment: 'dev' });
    const revoked = await issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'done' }, await issuing.bearer('alice'));
    expect(revoked.status).toBe(200);
    expect(revoked.body).toMatchObject({ tokenId, state: 'revoked' });
    expect((await verify(token)).body).toMatchObject({ valid: false, code: 'REVOKED', seq: expect.any(Number) });
    const said = await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(said.envelope.data).toMatchObject({ seq: revoked.body.seq, code: 'revoked-by-person', reason: 'done' });
    const timeline = await issuing.get(issuer, `/v1/tokens/${tokenId}/timeline`, await issuing.bearer('alice'));
    expect(timeline.body.items.map(({ what }: { what: string }) => what)).toEqual(['issue', 'delivered', 'revoke']);
  });
});
