import { Transactions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { ReplaceJob } from '../src/issuing/replace.job.js';
import { Issuing, type Asked } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_ZERO_TRAFFIC_SECONDS: '1' });
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const codeOf = async (token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, gateway)).body.code as string;
const wide: Asked = { scopes: ['orders:read', 'orders:write'] };

async function refused(asked: Asked): Promise<string> {
  const request = issuing.submission(asked);
  await issuing.bench.bus.say('request', 'request.submitted', request);
  await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request, {}, [], [], 'approve', 600, asked.shrinks ?? null));
  const { envelope } = await tap.next('issue.refused', ({ requestId }) => requestId === request.requestId);
  return String(envelope.data.code);
}

describe('a token that shrinks another one', () => {
  it('is never more than that one, and ends it only once it is in use itself and the old one is not (G1, G7)', async () => {
    const old = await issuing.claimed(issuer, wide);
    expect(await codeOf(old.secret)).toBe('VALID');
    const fresh = await issuing.claimed(issuer, { shrinks: old.tokenId, ttl: 'P5D' });
    const view = async (tokenId: string) => (await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('alice'))).body;
    expect(await view(fresh.tokenId)).toMatchObject({ scopes: ['orders:read'], replaces: old.tokenId, expiresAt: (await view(old.tokenId)).expiresAt });
    const job = issuer.app.get(ReplaceJob);
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM token WHERE token_id = $1 AND last_used_at < now() - interval \'2 seconds\'', [old.tokenId])).length === 1, 'the old token to rest');
    await job.round();
    expect(await codeOf(old.secret)).toBe('VALID'); // Nobody has used the new one.
    expect(await codeOf(fresh.secret)).toBe('VALID');
    await until(async () => {
      await job.round();
      return tap.ofType('token.revoked').some(({ envelope: { data } }) => data.tokenId === old.tokenId && data.code === 'replaced');
    }, 'the old token to end');
    expect([await codeOf(old.secret), await codeOf(fresh.secret)]).toEqual(['REVOKED', 'VALID']);
  });

  it('is not issued where there is nothing to shrink: ended, another owner’s, wider, or shrunk already (G1, G10)', async () => {
    const old = await issuing.claimed(issuer, wide);
    expect(await refused({ shrinks: old.tokenId, requester: 'bob' })).toBe('not-a-narrowing');
    expect(await refused({ shrinks: old.tokenId, environment: 'prod' })).toBe('not-a-narrowing');
    expect(await refused({ shrinks: old.tokenId, scopes: ['orders:admin'] })).toBe('not-a-narrowing');
    await issuing.issued({ shrinks: old.tokenId });
    expect(await refused({ shrinks: old.tokenId, scopes: ['orders:write'] })).toBe('replaced-already');
    const ended = await issuing.claimed(issuer, wide);
    await issuing.post(issuer, `/v1/tokens/${ended.tokenId}/revoke`, { reason: 'over' }, await issuing.bearer('alice'));
    expect(await refused({ shrinks: ended.tokenId })).toBe('replaced-token-not-active');
  });
});

describe('the end of a request', () => {
  const waiting = (count: number) => until(async () => (await issuing.bench.database('issuer').query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM token%FOR %'`)).length === count, `${count} to wait`);
  const end = async (requestId: string) => issuing.post(issuer, '/v1/revocations', { requestId, reason: 'x' }, await issuing.bearer('root', ['admins']));
  const stateOf = async (tokenId: string) => (await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('root', ['admins']))).body.state;

  /** Both wait for the token that is to be replaced, and get it in the order given. */
  async function race<First, Second>(tokenId: string, first: () => Promise<First>, second: () => Promise<Second>): Promise<[First, Second]> {
    const both = await issuer.app.get(Transactions).run(async ({ db }) => {
      await db.query('SELECT 1 FROM token WHERE token_id = $1 FOR UPDATE', [tokenId]);
      const begun = first();
      await waiting(1);
      const next = second();
      await waiting(2);
      return [begun, next] as const;
    });
    return Promise.all(both);
  }

  it.each(['shrinks', 'replaces'] as const)('reaches what %s its token while the end waited for that token (G4)', async (how) => {
    const { tokenId, request: { requestId } } = await issuing.issued(wide);
    await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, {}, await issuing.bearer('alice'));
    const [fresh, ended] = await race(tokenId, () => issuing.claimed(issuer, { [how]: tokenId }), () => end(requestId));
    expect(ended.status).toBe(200);
    expect(await stateOf(fresh.tokenId)).toBe('revoked');
  });

  it('leaves nothing to be issued in place of its token, nor of what replaced that, in whichever state they are (G4)', async () => {
    const { tokenId, request: { requestId } } = await issuing.issued(wide);
    const next = await issuing.issued({ replaces: tokenId });
    await issuing.post(issuer, `/v1/tokens/${next.tokenId}/revoke`, { reason: 'ended by itself' }, await issuing.bearer('alice'));
    // Ended by itself it is still replaced: that has a decision of its own.
    await issuing.issued({ replaces: next.tokenId });
    const [ended, code] = await race(tokenId, () => end(requestId), () => refused({ replaces: tokenId }));
    expect([ended.status, code]).toEqual([200, 'replaced-request-revoked']);
    expect(await refused({ replaces: next.tokenId })).toBe('replaced-request-revoked');
  });
});

it('a token that extends another one lives past its end, and ends it only once it is in use itself (G6, G7)', async () => {
  const old = await issuing.claimed(issuer, { requester: 'extender', ttl: 'P1D' });
  const fresh = await issuing.claimed(issuer, { requester: 'extender', replaces: old.tokenId, ttl: 'P5D' });
  const view = async (tokenId: string) => (await issuing.get(issuer, `/v1/tokens/${tokenId}`, await issuing.bearer('extender'))).body;
  expect(Date.parse(String((await view(fresh.tokenId)).expiresAt))).toBeGreaterThan(Date.parse(String((await view(old.tokenId)).expiresAt)) + 3 * 86_400_000);
  const job = issuer.app.get(ReplaceJob);
  await job.round();
  expect([await codeOf(old.secret), await codeOf(fresh.secret)]).toEqual(['VALID', 'VALID']); // From here on the new one is in use.
  await until(async () => {
    await job.round();
    return tap.ofType('token.revoked').some(({ envelope: { data } }) => data.tokenId === old.tokenId && data.code === 'replaced');
  }, 'the old token to end');
  expect([await codeOf(old.secret), await codeOf(fresh.secret)]).toEqual(['REVOKED', 'VALID']);
});
