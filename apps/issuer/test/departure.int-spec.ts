import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { makeId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import type { Departure } from '../src/owners/departure.js';
import { Incidents } from '../src/incidents/incident.store.js';
import { Departures } from '../src/owners/departure.store.js';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_TRANSFER_SECONDS: '600', WRIT_IDENTITY_SYSTEMS: 'hr' });
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  tap = await issuing.bench.bus.tap();
  await issuing.bench.bus.addIdentitySystem('hr');
  await issuing.bench.bus.addIdentitySystem('not-hr');
});
afterAll(async () => {
  await issuing?.drop();
});

const verify = async (token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, gateway)).body;
const rows = (sql: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(sql, values);
const transfer = async (tokenId: string, as: Record<string, string>, body: object = { reason: 'the export must go on' }) => issuing.post(issuer, `/v1/tokens/${tokenId}/transfer`, body, as);
const untilIs = (ownerId: string, state: string) => until(async () => (await rows('SELECT 1 FROM departure WHERE owner_id = $1 AND state = $2', [ownerId, state])).length === 1, `the departure to be ${state}`);
const reinstate = async (ownerId: string, groups = ['admins']) => issuing.post(issuer, `/v1/owners/${ownerId}/reinstate`, {}, await issuing.bearer('root', groups));
const colleague = () => issuing.bearer('bob', [], 'orders');

/** Lets the time pass in which the tokens of who left wait for somebody. @returns the departure as it waited */
async function over(ownerId: string): Promise<unknown> {
  await untilIs(ownerId, 'waiting');
  const waited = await issuer.app.get(Transactions<'issuer'>).run(async ({ db }) => {
    const [departure] = await db.query<Departure>('SELECT * FROM departure WHERE owner_id = $1 FOR UPDATE', [ownerId]);
    await issuer.app.get(Departures).setState(db, { ...departure!, ends_at: new Date(departure!.deactivated_at) }, 'waiting');
    return (await db.query<{ row: unknown }>('SELECT to_jsonb(d) AS row FROM departure d WHERE owner_id = $1', [ownerId]))[0]?.row;
  });
  await untilIs(ownerId, 'ended');
  return waited;
}

/** Long enough for whatever is asked for from now on to be asked for later, though requests are dated by whole seconds. */
const longAgo = () => new Date(Date.now() - 2_000).toISOString();

/** The identity system says that somebody left. */
async function left(ownerId: string, more: object = {}, user = 'hr'): Promise<void> {
  const data = { ownerId, deactivatedAt: new Date().toISOString(), ...more };
  const body = { specversion: '1.0', id: randomUUID(), source: 'urn:hr', type: 'writ.owner.deactivated', time: data.deactivatedAt, datacontenttype: 'application/json', data };
  await issuing.bench.bus.publish(user, 'writ.identity', 'owner.deactivated', Buffer.from(JSON.stringify(body)));
}

describe('a token whose owner left', () => {
  it('is offered to its team, ends when nobody takes it over, and each step is said (G6)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer, { requester: 'leaver-1' });
    await left('leaver-1');
    const { envelope: { data: offered } } = await tap.next('token.orphaned', (data) => data.tokenId === tokenId);
    expect(offered).toMatchObject({ owner: { id: 'leaver-1', team: 'orders' } });
    expect(Date.parse(String(offered.endsAt))).toBeLessThanOrEqual(Date.now() + 600_000);
    expect(await verify(secret)).toMatchObject({ code: 'VALID' });
    expect((await issuing.get(issuer, `/v1/tokens/${tokenId}`, await colleague())).body).toMatchObject({ orphanedUntil: offered.endsAt });
    await over('leaver-1');
    const { envelope: { data: ended } } = await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(ended).toMatchObject({ by: { kind: 'owner-deactivated' }, code: 'owner-deactivated' });
    expect(await verify(secret)).toMatchObject({ code: 'REVOKED' });
    expect((await transfer(tokenId, await colleague())).body.code).toBe('token-ended');
    const { items } = (await issuing.get(issuer, `/v1/tokens/${tokenId}/timeline`, await colleague())).body;
    expect(items.map(({ what }) => what).filter((what) => what !== 'first-used')).toEqual(['issue', 'delivered', 'orphaned', 'epoch', 'revoke']);
    expect(items.find(({ what }) => what === 'orphaned')).toMatchObject({ code: 'owner-deactivated', by: { kind: 'owner-deactivated' }, from: 'leaver-1', endsAt: offered.endsAt });
  });

  it('lives on with a colleague who takes it over; only who has it now claims its next secret (G6, G10)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer, { requester: 'leaver-2' });
    expect((await transfer(tokenId, await colleague())).status).toBe(403);
    await left('leaver-2');
    await tap.next('token.orphaned', (data) => data.tokenId === tokenId);
    expect((await transfer(tokenId, await issuing.bearer('eve', [], 'billing'))).status).toBe(404);
    // Who takes it over claims its next secret without a new approval.
    for (const stale of [await issuing.bearer('bob', [], 'orders', 301), await issuing.bearer('root', ['admins'], undefined, 301)]) expect(await transfer(tokenId, stale)).toMatchObject({ status: 401, body: { code: 'step-up-needed' } });
    const answer = await transfer(tokenId, await colleague());
    expect(answer).toMatchObject({ status: 200, body: { state: 'active' } });
    const { envelope } = await tap.next('token.transferred', (data) => data.tokenId === tokenId);
    expect(answer.headers.get('x-audit-receipt')).toBe(envelope.id);
    expect(envelope.data).toMatchObject({ from: { id: 'leaver-2' }, to: { id: 'bob', team: 'orders' }, claimant: { sub: 'bob' }, by: { kind: 'person' }, reason: 'the export must go on' });
    await until(async () => (await verify(secret)).owner === 'bob', 'verifiers to know the new owner');
    await over('leaver-2');
    expect(await verify(secret)).toMatchObject({ code: 'VALID' });
    const { items } = (await issuing.get(issuer, `/v1/tokens/${tokenId}/timeline`, await colleague())).body;
    expect(items.map(({ what }) => what).filter((what) => what !== 'first-used')).toEqual(['issue', 'delivered', 'orphaned', 'transfer']);
    const rotationId = makeId('rot', Date.now(), randomBytes(10));
    const at = new Date(Date.now() + 60_000).toISOString();
    await issuing.due({ tokenId, rotationId, cause: 'requested', deadlineAt: at, claimBefore: at });
    await tap.next('token.rotated', (data) => data.rotationId === rotationId);
    const claim = async (who: string) => issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, { rotationId }, await issuing.bearer(who));
    expect((await claim('leaver-2')).status).toBe(404);
    expect(await verify((await claim('bob')).body.secret)).toMatchObject({ code: 'VALID', owner: 'bob' });
    const ordinals = tap.heard.filter(({ envelope: { data, source } }) => data.tokenId === tokenId && source === 'urn:writ:service:issuer').map(({ envelope: { aggregateversion } }) => Number(aggregateversion)).sort((a, b) => a - b);
    expect(ordinals).toEqual(ordinals.map((_, i) => i + 1));
  });

  it('goes to whom the identity system names, a suspended one still suspended, and only within its team (G6)', async () => {
    const [mine, stopped] = [await issuing.claimed(issuer, { requester: 'leaver-3' }), await issuing.claimed(issuer, { requester: 'leaver-3' })];
    const other = await issuing.claimed(issuer, { requester: 'leaver-4' });
    await issuing.post(issuer, `/v1/tokens/${stopped.tokenId}/suspend`, { reason: 'x' }, await issuing.bearer('leaver-3'));
    await left('leaver-3', { transferTo: { id: 'carol', team: 'orders' } });
    await left('leaver-4', { transferTo: { id: 'carol', team: 'billing' } });
    for (const { tokenId } of [mine, stopped]) {
      expect((await tap.next('token.transferred', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ to: { id: 'carol' }, claimant: { sub: 'carol' }, by: { kind: 'owner-deactivated' } });
    }
    await tap.next('token.orphaned', (data) => data.tokenId === other.tokenId);
    await over('leaver-4');
    expect([(await verify(mine.secret)).code, (await verify(stopped.secret)).code, (await verify(other.secret)).code]).toEqual(['VALID', 'SUSPENDED', 'REVOKED']);
  });

  it('goes nowhere when a broker user says so whom the issuer was not told to believe (G10)', async () => {
    const { secret } = await issuing.claimed(issuer, { requester: 'stayer' });
    await left('stayer', { transferTo: { id: 'mallory', team: 'orders' } }, 'not-hr');
    await tap.next('message.parked', (data) => data.userId === 'not-hr');
    expect(await rows(`SELECT 1 FROM departure WHERE owner_id = 'stayer'`)).toEqual([]);
    expect(await verify(secret)).toMatchObject({ code: 'VALID', owner: 'stayer' });
  });

  it('that somebody edited in the database is not given a good seal (G1)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer, { requester: 'leaver-5' });
    await rows(`UPDATE token SET scopes = '{orders:admin}' WHERE token_id = $1`, [tokenId]);
    expect((await transfer(tokenId, await issuing.bearer('root', ['admins']), { to: 'mallory', reason: 'x' })).status).toBe(500);
    await rows(`UPDATE token SET scopes = '{orders:read}' WHERE token_id = $1`, [tokenId]);
    expect(await transfer(tokenId, await issuing.bearer('root', ['admins']), { to: 'carol', reason: 'x' })).toMatchObject({ status: 200 });
    await until(async () => (await verify(secret)).owner === 'carol', 'verifiers to know the new owner');
  });

  it('that somebody edited is given to nobody and holds up no other departure (G1, G6)', async () => {
    const [edited, genuine] = [await issuing.claimed(issuer, { requester: 'leaver-6' }), await issuing.claimed(issuer, { requester: 'leaver-6' })];
    const next = await issuing.claimed(issuer, { requester: 'leaver-7' });
    await rows(`UPDATE token SET scopes = '{orders:admin}' WHERE token_id = $1`, [edited.tokenId]);
    await left('leaver-6', { transferTo: { id: 'carol', team: 'orders' } });
    await left('leaver-7', { transferTo: { id: 'carol', team: 'orders' } });
    for (const { tokenId } of [genuine, next]) await tap.next('token.transferred', (data) => data.tokenId === tokenId);
    await over('leaver-6');
    await tap.next('token.revoked', (data) => data.tokenId === edited.tokenId && data.code === 'owner-deactivated');
    expect(tap.ofType('token.orphaned').filter(({ envelope: { data } }) => data.tokenId === edited.tokenId)).toHaveLength(1);
  });

  it('does not go to somebody who leaves too, nor, of who leaves a second time, to whom the first time named (G6)', async () => {
    const { tokenId } = await issuing.claimed(issuer, { requester: 'leaver-8' });
    await left('leaver-9');
    await until(async () => (await rows(`SELECT 1 FROM departure WHERE owner_id = 'leaver-9'`)).length === 1, 'the first departure');
    await left('leaver-8', { transferTo: { id: 'leaver-9', team: 'orders' } });
    await tap.next('token.orphaned', (data) => data.tokenId === tokenId);
    await left('leaver-10', { transferTo: { id: 'carol', team: 'orders' } });
    await over('leaver-10');
    expect((await reinstate('leaver-10')).status).toBe(200);
    const again = await issuing.claimed(issuer, { requester: 'leaver-10' });
    await left('leaver-10');
    await tap.next('token.orphaned', (data) => data.tokenId === again.tokenId);
  });

  it('is not issued after that; who comes back is reinstated by an administrator and asks anew (G6, G10)', async () => {
    const approve = async (request: ReturnType<Issuing['submission']>) => {
      await issuing.bench.bus.say('request', 'request.submitted', request);
      await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
      return (await tap.next('issue.refused', (data) => data.requestId === request.requestId)).envelope.data.code;
    };
    const before = issuing.submission({ requester: 'leaver-11' });
    await left('leaver-11');
    await until(async () => (await rows(`SELECT 1 FROM departure WHERE owner_id = 'leaver-11'`)).length === 1, 'the departure');
    expect((await reinstate('leaver-11')).body.code).toBe('departure-pending');
    await over('leaver-11');
    expect(await approve(issuing.submission({ requester: 'leaver-11' }))).toBe('owner-deactivated');
    expect((await reinstate('leaver-11', [])).status).toBe(403);
    expect((await reinstate('nobody-left')).status).toBe(404);
    const answer = await reinstate('leaver-11');
    expect([answer.status, answer.headers.get('x-audit-receipt')]).toEqual([200, expect.any(String)]);
    expect(await approve(before)).toBe('owner-deactivated');
    expect(await verify((await issuing.claimed(issuer, { requester: 'leaver-11' })).secret)).toMatchObject({ code: 'VALID' });
  });

  it('is not issued, nor given to them, while they leave: it would outlive the end of all that they had (G6)', async () => {
    const strict = await issuing.start({ WRIT_TRANSFER_SECONDS: '0' });
    const { hasLeft } = Departures.prototype;
    let leaving: Promise<void> | undefined;
    const leaveOnceAsked = (ownerId: string) => jest.spyOn(Departures.prototype, 'hasLeft').mockImplementationOnce(async function (this: Departures, ...asked) {
      const answer = await hasLeft.apply(this, asked);
      leaving = strict.app.get<Transactions<'issuer'>>(Transactions).run((tx) => strict.app.get(Incidents).ownerLeft(tx, { ownerId, deactivatedAt: new Date().toISOString() }));
      const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM state_head FOR UPDATE%'`;
      await until(async () => (await rows(`SELECT 1 FROM departure WHERE owner_id = $1 UNION ALL ${waits}`, [ownerId])).length > 0, 'them to have left, or to wait');
      return answer;
    });
    leaveOnceAsked('leaver-now');
    const request = issuing.submission({ requester: 'leaver-now' });
    await issuing.bench.bus.say('request', 'request.submitted', request);
    await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
    const outcome = await until(() => tap.heard.find(({ type, envelope: { data } }) => ['token.issued', 'issue.refused'].includes(type) && data.requestId === request.requestId), 'the outcome');
    expect(outcome.envelope.data.code).toBe('owner-deactivated');
    const { tokenId, secret } = await issuing.claimed(issuer, { requester: 'giver' });
    leaveOnceAsked('heir-now');
    expect((await transfer(tokenId, await issuing.bearer('root', ['admins']), { to: 'heir-now', reason: 'moves on' })).status).toBe(200);
    await leaving;
    expect(await verify(secret)).toMatchObject({ code: 'REVOKED', owner: 'heir-now' });
    await issuing.stop(strict);
  });

  it('stays ended where it was ended before it could be handed on, swept or not, whatever its row says (G4)', async () => {
    const [byEpoch, byHand] = [await issuing.claimed(issuer, { requester: 'leaver-12' }), await issuing.claimed(issuer, { requester: 'leaver-17' })];
    const [root, holder] = [await issuing.bearer('root', ['admins']), await issuing.bearer('leaver-17')];
    await rows('UPDATE epoch_swept SET seq = seq + 1000000');
    await issuing.post(issuer, '/v1/revocations', { ownerId: 'leaver-12', reason: 'x' }, root);
    await issuing.post(issuer, `/v1/tokens/${byHand.tokenId}/revoke`, { reason: 'x' }, holder);
    await rows(`UPDATE token SET state = 'suspended' WHERE token_id = $1`, [byHand.tokenId]);
    await issuing.post(issuer, `/v1/tokens/${byHand.tokenId}/resume`, { reason: 'x' }, holder);
    expect(await verify(byHand.secret)).toMatchObject({ code: 'REVOKED' });
    await rows(`UPDATE token SET state = 'active' WHERE token_id = $1`, [byHand.tokenId]);
    for (const { tokenId } of [byEpoch, byHand]) expect((await transfer(tokenId, root, { to: 'carol', reason: 'x' })).body.code).toBe('token-ended');
    for (const who of ['leaver-12', 'leaver-17']) await left(who, { transferTo: { id: 'carol', team: 'orders' } });
    await until(async () => (await rows(`SELECT 1 FROM departure WHERE owner_id IN ('leaver-12', 'leaver-17') AND state <> 'offering'`)).length === 2, 'the departures');
    for (const { tokenId, secret } of [byEpoch, byHand]) {
      expect((await verify(secret)).code).toBe('REVOKED');
      expect(tap.ofType('token.transferred').filter(({ envelope: { data } }) => data.tokenId === tokenId)).toEqual([]);
    }
    await rows('UPDATE epoch_swept SET seq = seq - 1000000');
    await tap.next('token.revoked', (data) => data.tokenId === byEpoch.tokenId);
  });
});

describe('an insider with the database', () => {
  const owner = async (tokenId: string) => (await rows('SELECT owner_id FROM token WHERE token_id = $1', [tokenId]))[0]?.owner_id;

  it('makes nobody an heir by writing that an owner left, nor by naming another successor (G1, G10)', async () => {
    const [invented, renamed] = [await issuing.claimed(issuer, { requester: 'leaver-13' }), await issuing.claimed(issuer, { requester: 'leaver-14' })];
    await left('leaver-14');
    await tap.next('token.orphaned', (data) => data.tokenId === renamed.tokenId);
    await rows(`INSERT INTO departure (owner_id, deactivated_at, ends_at, transfer_to, state) VALUES ('leaver-13', now(), now() + interval '1 hour', '{"id": "mallory", "team": "orders"}', 'offering')`);
    await rows(`UPDATE departure SET transfer_to = '{"id": "mallory", "team": "orders"}', state = 'offering' WHERE owner_id = 'leaver-14'`);
    await until(async () => (await rows(`SELECT 1 FROM departure WHERE owner_id IN ('leaver-13', 'leaver-14') AND state = 'forged'`)).length === 2, 'both to be set aside');
    for (const { tokenId } of [invented, renamed]) expect(await owner(tokenId)).not.toBe('mallory');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND orphaned_until IS NULL', [invented.tokenId])).toHaveLength(1);
    await left('leaver-13', { transferTo: { id: 'carol', team: 'orders' } });
    expect((await tap.next('token.transferred', (data) => data.tokenId === invented.tokenId)).envelope.data.to).toMatchObject({ id: 'carol' });
  });

  it('takes nothing over by offering it to a team of their choice (G1, G10)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer, { requester: 'leaver-15' });
    await rows(`UPDATE token SET owner_team = 'billing', orphaned_until = now() + interval '1 hour' WHERE token_id = $1`, [tokenId]);
    expect((await transfer(tokenId, await issuing.bearer('eve', [], 'billing'))).status).toBe(500);
    await rows(`UPDATE token SET owner_team = 'orders' WHERE token_id = $1`, [tokenId]);
    expect((await transfer(tokenId, await colleague())).status).toBe(500);
    expect(await verify(secret)).toMatchObject({ code: 'VALID', owner: 'leaver-15' });
  });

  it('hands nothing on by putting a departure of before back (G1)', async () => {
    await left('leaver-16', { transferTo: { id: 'carol', team: 'orders' }, deactivatedAt: longAgo() });
    const old = await over('leaver-16');
    expect((await reinstate('leaver-16')).status).toBe(200);
    const { tokenId } = await issuing.claimed(issuer, { requester: 'leaver-16' });
    await rows(`UPDATE departure d SET (ends_at, state, mac) = (SELECT r.ends_at, r.state, r.mac FROM jsonb_populate_record(NULL::departure, $1) r) WHERE owner_id = 'leaver-16'`, [JSON.stringify(old)]);
    await tap.next('token.revoked', (data) => data.tokenId === tokenId);
    expect(await owner(tokenId)).toBe('leaver-16');
  });
});
