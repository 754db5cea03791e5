import { randomBytes } from 'node:crypto';
import { makeId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { Issuing } from './issuing.js';

const office = '198.51.100.7';
const elsewhere = '203.0.113.9';

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

const rows = (sql: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(sql, values);
const use = async (token: string, address = office) => (await issuing.post(issuer, '/v1/tokens/verify', { token, address }, gateway)).body.code as string;
const claim = async (tokenId: string, body: object, key?: string) =>
  (await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, body, { ...(await issuing.bearer('alice')), ...(key ? { 'idempotency-key': key } : {}) })).body.secret;
const stateOf = async (tokenId: string) => (await rows('SELECT state FROM token WHERE token_id = $1', [tokenId]))[0]?.state;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** A token that its office uses, whose first secret was replaced and has ended. */
async function replaced(cause: 'scheduled' | 'emergency' = 'scheduled'): Promise<{ tokenId: string; old: string; fresh: string }> {
  const { tokenId, secret: old } = await issuing.claimed(issuer);
  await use(old);
  await until(async () => (await rows('SELECT 1 FROM caller WHERE token_id = $1', [tokenId])).length === 1, 'the office to be known');
  const rotationId = makeId('rot', Date.now(), randomBytes(10));
  await issuing.due({ tokenId, rotationId, cause, deadlineAt: inMs(2_000), claimBefore: inMs(60_000) });
  await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'claimable');
  const fresh = await claim(tokenId, { rotationId });
  await use(fresh);
  await tap.next('token.retired', (data) => data.tokenId === tokenId && data.generation === 1);
  await until(async () => (await use(old)) === 'REVOKED', 'the end of the old secret');
  return { tokenId, old, fresh };
}

/** Shows a dead secret, and returns when the issuer has judged it. */
async function show(tokenId: string, secret: string, address: string): Promise<void> {
  const seen = () => tap.ofType('usage.recorded').flatMap(({ envelope }) => envelope.data.records as { tokenId?: string; code: string; network?: string }[])
    .filter((record) => record.tokenId === tokenId && record.code !== 'VALID' && record.network === `${address.replace(/\.\d+$/, '')}.0/24`).length;
  const before = seen();
  await use(secret, address);
  await until(() => seen() > before, 'the use to be said');
  await until(async () => (await rows('SELECT 1 FROM retired_use WHERE token_id = $1', [tokenId])).length === 0, 'the use to be judged');
}

describe('a retired secret', () => {
  it('that a stranger shows suspends its token, once, and the owner undoes it (G10)', async () => {
    const { tokenId, old, fresh } = await replaced();
    await use(old, elsewhere);
    const { envelope } = await tap.next('token.suspended', (data) => data.tokenId === tokenId);
    expect(envelope.data).toMatchObject({ code: 'retired-secret-used', by: { kind: 'issuer' }, reason: expect.stringContaining('203.0.113.0/24') });
    await until(async () => (await use(fresh)) === 'SUSPENDED', 'the refusal');
    const resumed = await issuing.post(issuer, `/v1/tokens/${tokenId}/resume`, { reason: 'it was us' }, await issuing.bearer('alice'));
    expect(resumed.status).toBe(200);
    await show(tokenId, old, elsewhere);
    expect(await stateOf(tokenId)).toBe('active');
    expect(await use(fresh)).toBe('VALID');
  });

  it('of several tokens at once suspends them with all locked before the log, so that it waits for nobody with the head in its hand', async () => {
    const ids = (await Promise.all([replaced(), replaced()])).map(({ tokenId }) => tokenId).sort();
    for (const tokenId of ids) await tap.next('token.straggling', (data) => data.tokenId === tokenId); // No use of theirs is still to be told.
    await rows(`INSERT INTO retired_use (token_id, generation, network, gateway, used_at) SELECT unnest($1::text[]), 1, '203.0.113.0/24', 'orders-api', now() + interval '1 hour'`, [ids]);
    await issuer.app.get(Transactions).run(async ({ db }) => {
      await db.query('SELECT 1 FROM token WHERE token_id = $1 FOR UPDATE', [ids[1]]);
      await rows(`UPDATE retired_use SET used_at = now() - interval '1 hour' WHERE token_id = ANY($1)`, [ids]);
      await until(async () => (await rows(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM token%FOR UPDATE%'`)).length > 0, 'the judgement to wait');
      await db.query('SELECT 1 FROM state_head FOR UPDATE NOWAIT');
    });
    for (const tokenId of ids) expect((await tap.next('token.suspended', (data) => data.tokenId === tokenId)).envelope.data.code).toBe('retired-secret-used');
  });

  it('"reuse detection killed good tokens" (gitlab#418238): what a known caller shows stops nobody; its owner is told once (G7)', async () => {
    const { tokenId, old, fresh } = await replaced();
    await show(tokenId, old, '198.51.100.99');
    await show(tokenId, old, '198.51.100.99');
    const told = tap.ofType('token.straggling').map(({ envelope }) => envelope.data).filter((data) => data.tokenId === tokenId);
    expect(told).toEqual([expect.objectContaining({ owner: { id: 'alice', team: 'orders' }, generation: 1, gateway: 'orders-api', network: '198.51.100.0/24' })]);
    expect(await stateOf(tokenId)).toBe('active');
    expect(await use(fresh)).toBe('VALID');
  });

  it('that ended in an emergency, where strangers are expected, stops nobody (G7)', async () => {
    const { tokenId, old } = await replaced('emergency');
    await show(tokenId, old, elsewhere);
    expect(await stateOf(tokenId)).toBe('active');
  });

  it('that took the place of one whose answer was lost is not stopped by the lost one (G7)', async () => {
    const { tokenId } = await issuing.issued();
    const lost = await claim(tokenId, {}, 'the-same-key');
    const fresh = await claim(tokenId, {}, 'the-same-key');
    expect(fresh).not.toBe(lost);
    await use(fresh);
    await until(async () => (await rows('SELECT 1 FROM caller WHERE token_id = $1', [tokenId])).length === 1, 'the office to be known');
    await show(tokenId, lost, elsewhere);
    expect(await stateOf(tokenId)).toBe('active');
    expect(await use(fresh)).toBe('VALID');
  });
});
