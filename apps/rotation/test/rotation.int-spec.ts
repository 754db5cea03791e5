import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startService, type Service } from '@writ/service';
import { Tap, TestBench, until } from '@writ/testing';
import type { RotationId, TokenId } from '@writ/contracts';
import { RotationConfig } from '../src/config.js';
import { forecast } from '../src/forecast.store.js';
import * as migrations from '../src/migrations/index.js';
import { RotationModule } from '../src/rotation.module.js';
import { forgetEnded } from '../src/token.store.js';

interface Answer { rotationId: RotationId; state: string; code: string; startedAt: string; deadlineAt: string; endedAt?: string; items: object[]; buckets: object[]; campaignId: string; seen: number; spreadAt?: string }

let bench: TestBench;
let services: Service[];
let tap: Tap;
const tokens: Record<string, string> = {};
let counter = 0;
const newTokenId = () => `tok_${String((counter += 1)).padStart(26, '0')}` as TokenId;
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
const day = 86_400;

async function call(method: string, path: string, token: string, json?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(services[0]!.url + path, {
    method, headers: { authorization: `Bearer ${tokens[token]}`, ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: json === undefined ? undefined : JSON.stringify(json),
  });
  return { status: answer.status, body: (await answer.json().catch(() => undefined)) as Answer };
}
const rows = (sql: string, values: unknown[] = []) => bench.database('rotation').query(sql, values);
const requestIdOf = (tokenId: string) => tokenId.replace('tok_', 'req_') as never;

async function issue(more: Record<string, unknown> = {}): Promise<TokenId> {
  const tokenId = newTokenId();
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: requestIdOf(tokenId), owner: { id: 'svc:a', team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: 'alice' }, resource: 'orders', audience: 'orders',
    scopes: ['orders:read'], environment: 'prod', issuedAt: inSeconds(0), expiresAt: inSeconds(365 * day), rotateSeconds: 30 * day, graceSeconds: day, delivery: { mode: 'claim' }, ...more,
  });
  return tokenId;
}
const deliver = (tokenId: TokenId, generation = 1, said: { time?: string } = {}) =>
  bench.bus.say('issuer', 'token.delivered', { tokenId, requestId: requestIdOf(tokenId), generation, claimant: { iss: 'x', sub: 'alice' }, claims: 1 }, said);
const rotated = (tokenId: TokenId, rotationId: RotationId, stage: 'claimable' | 'delivered' | 'used', generation = 2, more: { deadlineAt?: string; alone?: true; sealed?: string } = {}, said: { time?: string } = {}) =>
  bench.bus.say('issuer', 'token.rotated', { tokenId, rotationId, stage, generation, deadlineAt: inSeconds(day), ...more }, said);
const retired = (tokenId: TokenId, rotationId: RotationId, generation: number, code = 'unused') =>
  bench.bus.say('issuer', 'token.retired', { tokenId, rotationId, generation, code, seq: 1 });
const change = (type: 'token.suspended' | 'token.resumed' | 'token.revoked', tokenId: TokenId, seq: number) =>
  bench.bus.say('issuer', type, { tokenId, seq, by: { kind: 'person' }, code: 'test' });
const transferred = (tokenId: TokenId, seq: number, to = 'svc:new', claimant = 'mallory') =>
  bench.bus.say('issuer', 'token.transferred', {
    tokenId, requestId: requestIdOf(tokenId), from: { id: 'svc:a', team: 'orders' }, to: { id: to, team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: claimant },
    by: { kind: 'owner-deactivated' }, seq,
  });

async function issued(more: { delivery?: { mode: string; keyId?: string } } & Record<string, unknown> = {}): Promise<TokenId> {
  const tokenId = await issue(more);
  // What is sealed is delivered by its issue; a delivery heard later would plan anew what a test has made due.
  if (more.delivery?.mode !== 'sealed') await deliver(tokenId);
  await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND secret_since IS NOT NULL', [tokenId])).length === 1, 'the token to be known');
  return tokenId;
}
/** Makes the rotation of a token due now. */
const makeDue = (tokenId: TokenId) => rows(`UPDATE token SET rotate_at = now() - interval '1 second' WHERE token_id = $1`, [tokenId]);
async function due(more: Record<string, unknown> = {}): Promise<{ tokenId: TokenId; rotationId: RotationId; data: { deadlineAt: string; claimBefore: string } }> {
  const tokenId = await issued(more);
  await makeDue(tokenId);
  const { envelope: { data } } = await tap.next('rotation.due', (event) => event.tokenId === tokenId);
  return { tokenId, rotationId: data.rotationId as RotationId, data: data as never };
}
const stateOf = async (rotationId: string) => (await rows('SELECT state FROM rotation WHERE rotation_id = $1', [rotationId]))[0]?.state as string;
const inState = (rotationId: string, state: string) => until(async () => (await stateOf(rotationId)) === state, `the rotation to be ${state}`);

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) => permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]));
}

beforeAll(async () => {
  bench = await TestBench.create();
  const env = await bench.env('rotation', migrations, { WRIT_TICK_MS: '50', WRIT_DUE_BATCH: '10' });
  services = await Promise.all([1, 2].map(() => startService({ name: 'rotation', module: RotationModule, config: RotationConfig, env })));
  tap = await bench.bus.tap();
  tokens.owner = await bench.identity.token({ sub: 'svc:a', team: 'orders' });
  tokens.claimant = await bench.identity.token({ sub: 'alice', team: 'orders' });
  tokens.stranger = await bench.identity.token({ sub: 'mallory', team: 'orders' });
  tokens.admin = await bench.identity.token({ sub: 'ada', groups: ['admins'] });
});
afterAll(async () => {
  await Promise.all((services ?? []).map((service) => service.close()));
  await bench?.drop();
});

describe('the calendar', () => {
  it('reckons a period from when the secret was delivered, however late that is heard, and never from before the issue or after the hearing (G6)', async () => {
    const tokenOf = async (id: TokenId) => (await rows('SELECT secret_since, rotate_at > now() AS later FROM token WHERE token_id = $1 AND secret_since IS NOT NULL', [id]))[0];
    const daysAgo = async (id: TokenId) => Math.round(Math.abs(Date.now() - ((await tokenOf(id))?.secret_since as Date).getTime()) / 1_000 / day);
    const delivered = async (days: number) => {
      const tokenId = await issue({ issuedAt: inSeconds(-40 * day) });
      await deliver(tokenId, 1, { time: inSeconds(days * day) });
      await until(() => tokenOf(tokenId), 'the delivery');
      return tokenId;
    };
    const [late, missed, beforeIssue, ahead] = [await delivered(-20), await delivered(-35), await delivered(-50), await delivered(5)];
    expect(await Promise.all([late, missed, beforeIssue, ahead].map(daysAgo))).toEqual([20, 35, 40, 0]);
    expect([await tokenOf(late), await tokenOf(ahead)]).toMatchObject([{ later: true }, { later: true }]);
    await tap.next('rotation.due', (data) => data.tokenId === missed);
    const earlierClaim = await deliver(late, 1, { time: inSeconds(-25 * day) });
    await until(async () => (await rows('SELECT 1 FROM inbox WHERE message_id = $1', [earlierClaim])).length === 1, 'the earlier claim to be heard of');
    expect(await daysAgo(late)).toBe(20);
  });

  it('starts each due rotation once, whichever replica takes it (G2)', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => issued()));
    await rows(`UPDATE token SET rotate_at = now() WHERE token_id = ANY($1)`, [ids]);
    await until(() => ids.every((id) => tap.ofType('rotation.due').some(({ envelope: { data } }) => data.tokenId === id)), 'all rotations');
    await sleep(300);
    expect(tap.ofType('rotation.due').filter(({ envelope: { data } }) => ids.includes(data.tokenId as TokenId))).toHaveLength(ids.length);
  });

  it('leaves a token to the rotation it is in, and holds up no other for it (G2, G7)', async () => {
    const [{ tokenId: busy }, free] = [await due(), await issued()];
    await rows('UPDATE token SET rotate_at = now() WHERE token_id = ANY($1)', [[busy, free]]);
    await tap.next('rotation.due', (data) => data.tokenId === free);
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = $1', [busy])).toHaveLength(1);
  });

  it('fixes the deadline at the start, never past the token’s end (G6, G7)', async () => {
    const expiresAt = inSeconds(3 * day);
    const { data } = await due({ expiresAt });
    expect(Date.parse(data.deadlineAt)).toBe(Date.parse(expiresAt));
    expect(Date.parse(data.claimBefore)).toBeLessThanOrEqual(Date.parse(data.deadlineAt));
  });

  it('plans nothing before a secret was delivered, for a token without the obligation, or after its end (G6)', async () => {
    const [unclaimed, free, ended] = [await issue(), await issued({ rotateSeconds: undefined }), await issued()];
    await change('token.revoked', ended, 1);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND ended_at IS NOT NULL', [ended])).length === 1, 'the end');
    expect(await rows('SELECT 1 FROM token WHERE token_id = ANY($1) AND rotate_at IS NOT NULL', [[unclaimed, free, ended]])).toEqual([]);
  });

  it('"no warning before expiry" (zitadel#6131, kibana#211636, litellm#13579): ours comes once per lead time that fits into the token’s life', async () => {
    const tokenId = await issue({ issuedAt: inSeconds(-40 * day), expiresAt: inSeconds(5 * day) });
    const first = await tap.next('token.expiring', (data) => data.tokenId === tokenId);
    expect(first.envelope.data.leadTime).toBe('P7D');
    await rows(`UPDATE token SET expires_at = now() + interval '59 minutes', notice_at = now() WHERE token_id = $1`, [tokenId]);
    await tap.next('token.expiring', (data) => data.tokenId === tokenId && data.leadTime === 'PT1H');
    await sleep(300);
    expect(tap.ofType('token.expiring').filter(({ envelope: { data } }) => data.tokenId === tokenId)).toHaveLength(2);
    const short = await issue({ expiresAt: inSeconds(1_800) });
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1', [short])).length === 1, 'the short token');
    expect((await rows('SELECT notice_at FROM token WHERE token_id = $1', [short]))[0]?.notice_at).toBeNull();
  });

  it('forecasts what will be due without reading what is not', async () => {
    const [tokenId, sealed] = [await issued({ approvers: 2 }), await issued({ delivery: { mode: 'sealed', keyId: 'k' } })];
    await rows(`UPDATE token SET rotate_at = now() + interval '3 hours 30 minutes' WHERE token_id = $1`, [sealed]);
    await rows(`UPDATE token SET rotate_at = now() + interval '2 hours 30 minutes', expires_at = now() + interval '5 hours 30 minutes' WHERE token_id = $1`, [tokenId]);
    const { body } = await call('GET', '/v1/forecast?bucket=PT1H&count=6', 'stranger');
    expect(body.buckets).toHaveLength(6);
    expect(body).not.toHaveProperty('truncated');
    expect(await forecast({ query: rows as never }, { bucket: 'PT1H', seconds: 3_600, count: 6, claimWindowSeconds: day }, 1)).toMatchObject({ truncated: true });
    expect(body.buckets[2]).toMatchObject({ rotations: 1, claims: 1 });
    expect(body.buckets[3]).toMatchObject({ rotations: 1, claims: 0 }); // Nobody fetches what is sealed.
    expect(body.buckets[5]).toMatchObject({ expiries: 1, reviews: 1 });
    const restless = await issued({ rotateSeconds: 7_560, expiresAt: inSeconds(12 * 3_600) });
    await rows(`UPDATE token SET rotate_at = now() + interval '30 minutes' WHERE token_id = $1`, [restless]);
    const buckets = (await call('GET', '/v1/forecast?bucket=PT1H&count=12', 'stranger')).body.buckets as { rotations: number; claims: number }[];
    expect(buckets.map(({ rotations, claims }) => [rotations, claims])).toEqual(
      [[1, 1], [0, 0], [2, 2], [1, 0], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]); // Each two hours, until nobody could change over any more.
    await rows('UPDATE token SET suspended = true WHERE token_id = $1', [restless]);
    expect((await call('GET', '/v1/forecast?bucket=PT1H&count=1', 'stranger')).body.buckets).toMatchObject([{ rotations: 0 }]);
    expect((await call('GET', '/v1/forecast?bucket=P1Y', 'stranger')).body.code).toBe('invalid-query');
  });
});

describe('a rotation', () => {
  it('goes from due over claimable, delivered and used to completed, each state visible, and is planned again (G7)', async () => {
    const { tokenId, rotationId } = await due();
    for (const stage of ['claimable', 'delivered', 'used'] as const) {
      await rotated(tokenId, rotationId, stage);
      await inState(rotationId, stage);
      expect((await call('GET', `/v1/rotations/${rotationId}`, 'owner')).body).toMatchObject({ rotationId, tokenId, state: stage, generation: 2 });
    }
    await retired(tokenId, rotationId, 1);
    await inState(rotationId, 'completed');
    const [row] = await rows('SELECT rotate_at > now() AS planned FROM token WHERE token_id = $1', [tokenId]);
    expect(row?.planned).toBe(true);
  });

  it('whose successor is sealed to its owner is delivered at once, and in an emergency completed by that (G7)', async () => {
    const sealed = (tokenId: TokenId, rotationId: RotationId, more: { alone?: true } = {}) => rotated(tokenId, rotationId, 'delivered', 2, { sealed: 'a.b.c.d.e', ...more });
    const { tokenId, rotationId } = await due({ delivery: { mode: 'sealed', keyId: 'k1' } });
    await sealed(tokenId, rotationId);
    await inState(rotationId, 'delivered');
    await retired(tokenId, rotationId, 1);
    await inState(rotationId, 'completed');
    const urgent = (await call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', { cause: 'emergency', reason: 'leaked' })).body.rotationId;
    await sealed(tokenId, urgent, { alone: true });
    await inState(urgent, 'completed');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND rotate_at > now()', [tokenId])).toHaveLength(1);
  });

  it('ends the same in every order of its events, repetitions among them (G2)', async () => {
    const orders = permutations([0, 1, 2, 3, 4]);
    const ids = await Promise.all(orders.map(() => issued()));
    await rows('UPDATE token SET rotate_at = now() WHERE token_id = ANY($1)', [ids]);
    await Promise.all(orders.map(async (order, n) => {
      const tokenId = ids[n]!;
      const rotationId = (await tap.next('rotation.due', (data) => data.tokenId === tokenId)).envelope.data.rotationId as RotationId;
      const events = [
        () => rotated(tokenId, rotationId, 'claimable'), () => deliver(tokenId, 2), () => rotated(tokenId, rotationId, 'delivered'),
        () => rotated(tokenId, rotationId, 'used'), () => retired(tokenId, rotationId, 1),
      ];
      for (const i of [...order, order[0]!]) await events[i]!();
    }));
    const left = () => rows(`SELECT token_id FROM rotation r JOIN token t USING (token_id) WHERE token_id = ANY($1) AND (state <> 'completed' OR t.rotate_at IS NULL)`, [ids]);
    await until(async () => (await left()).length === 0 && (await rows('SELECT 1 FROM early_event')).length === 0, 'all to be completed and planned again', 25_000);
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = ANY($1)', [ids])).toHaveLength(ids.length);
  });

  it('whose token events overtake the token’s issue is known all the same (G2)', async () => {
    const tokenId = `tok_${String(counter + 1).padStart(26, '0')}` as TokenId;
    await change('token.revoked', tokenId, 7);
    await until(async () => (await rows('SELECT 1 FROM early_event WHERE token_id = $1', [tokenId])).length === 1, 'the early event');
    expect(await issue()).toBe(tokenId);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND ended_at IS NOT NULL AND notice_at IS NULL', [tokenId])).length === 1, 'the end');
  });

  it('of a token that changed hands twice before it was known begins all the same (G7, G10)', async () => {
    const tokenId = newTokenId();
    for (const early of [() => deliver(tokenId), () => transferred(tokenId, 11, 'svc:between', 'between'), () => transferred(tokenId, 12)]) await early();
    const waiting = () => rows('SELECT 1 FROM early_event WHERE token_id = $1', [tokenId]);
    await until(async () => (await waiting()).length === 3, 'the early events');
    await issue({ tokenId });
    await until(async () => (await waiting()).length === 0, 'all to be applied');
    expect(await rows('SELECT state FROM rotation WHERE token_id = $1 ORDER BY started_at', [tokenId])).toEqual([{ state: 'stopped' }, { state: 'due' }]);
    expect(await rows(`SELECT owner->>'id' AS owner FROM token WHERE token_id = $1`, [tokenId])).toEqual([{ owner: 'svc:new' }]);
  });

  it('that nobody claims lapses, is tried again later, and never leaves two successors (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await rotated(tokenId, rotationId, 'claimable');
    await retired(tokenId, rotationId, 2, 'unclaimed');
    await inState(rotationId, 'lapsed');
    const [row] = await rows('SELECT attempts, rotate_at > now() AS later FROM token WHERE token_id = $1', [tokenId]);
    expect(row).toEqual({ attempts: 1, later: true });
    await makeDue(tokenId);
    await until(async () => (await rows('SELECT 1 FROM rotation WHERE token_id = $1', [tokenId])).length === 2, 'the second try');
    await expect(rows(`INSERT INTO rotation (rotation_id, token_id, cause, started_at, deadline_at, claim_before) VALUES ('x', $1, 'requested', now(), now(), now())`, [tokenId])).rejects.toThrow(/rotation_open/);
  });

  it('that a person stopped is stopped again when its order was the slower one (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await call('POST', `/v1/rotations/${rotationId}/stop`, 'owner', { reason: 'freeze' });
    const stops = () => tap.ofType('rotation.steered').filter(({ envelope: { data } }) => data.rotationId === rotationId);
    await until(() => stops().length === 1, 'the first stop');
    await rotated(tokenId, rotationId, 'claimable');
    await until(() => stops().length === 2, 'the second stop');
    expect(stops()[1]!.envelope.data).toMatchObject({ tokenId, command: 'stop', reason: 'freeze', by: { sub: 'svc:a' } });
    expect(await stateOf(rotationId)).toBe('stopped');
  });

  it('follows when the token gets another owner, who alone steers it from then on (G7, G10)', async () => {
    const { tokenId, rotationId } = await due();
    await transferred(tokenId, 9);
    const { envelope } = await tap.next('rotation.due', (data) => data.tokenId === tokenId && data.rotationId !== rotationId);
    expect(envelope.data).toMatchObject({ cause: 'requested', by: { sub: 'mallory' } });
    expect(await stateOf(rotationId)).toBe('stopped');
    const next = envelope.data.rotationId as string;
    expect([(await call('GET', `/v1/rotations/${next}`, 'owner')).status, (await call('GET', `/v1/rotations/${next}`, 'stranger')).status]).toEqual([404, 200]);
  });

  it('after another owner is tried until it is claimed, also where policy wants none: who left knows the secret (G7)', async () => {
    const tokenId = await issued({ rotateSeconds: undefined });
    await transferred(tokenId, 9);
    const orders = () => tap.ofType('rotation.due').filter(({ envelope: { data } }) => data.tokenId === tokenId).map(({ envelope: { data } }) => data.rotationId as RotationId);
    await until(() => orders().length === 1, 'the first try');
    await rotated(tokenId, orders()[0]!, 'claimable');
    await retired(tokenId, orders()[0]!, 2, 'unclaimed');
    await inState(orders()[0]!, 'lapsed');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND rotate_at > now()', [tokenId])).toHaveLength(1);
    await makeDue(tokenId);
    await until(() => orders().length === 2, 'the second try');
    await rotated(tokenId, orders()[1]!, 'claimable', 3);
    await deliver(tokenId, 3);
    await retired(tokenId, orders()[1]!, 1);
    await inState(orders()[1]!, 'completed');
    expect(await rows('SELECT owed, rotate_at FROM token WHERE token_id = $1', [tokenId])).toEqual([{ owed: false, rotate_at: null }]);
  });

  it('follows also when the earlier owner’s claim is heard after the change, and not after the new one’s (G7, G10)', async () => {
    const [known, fresh] = [await issue({ rotateSeconds: undefined }), await issue({ rotateSeconds: undefined })];
    for (const tokenId of [known, fresh]) await transferred(tokenId, 9);
    await until(async () => (await rows(`SELECT 1 FROM token WHERE token_id = ANY($1) AND owner->>'id' = 'svc:new'`, [[known, fresh]])).length === 2, 'the new owner');
    await bench.bus.say('issuer', 'token.delivered', { tokenId: fresh, requestId: requestIdOf(fresh), generation: 1, claimant: { iss: bench.identity.issuer, sub: 'mallory' }, claims: 1 });
    await deliver(known);
    await tap.next('rotation.due', (data) => data.tokenId === known);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND secret_since IS NOT NULL', [fresh])).length === 1, 'the new owner’s claim');
    expect(await rows('SELECT owed, rotate_at FROM token WHERE token_id = $1', [fresh])).toEqual([{ owed: false, rotate_at: null }]);
  });

  it('ends with its token, and nothing of it is due any more (G6)', async () => {
    const { tokenId, rotationId } = await due();
    await rotated(tokenId, rotationId, 'claimable');
    await change('token.revoked', tokenId, 3);
    await inState(rotationId, 'ended');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND coalesce(rotate_at, notice_at) IS NOT NULL', [tokenId])).toEqual([]);
  });

  it('is forgotten with its token, long after the end, however many are', async () => {
    const old = [await due(), await due(), await due()];
    for (const [n, { tokenId }] of old.entries()) await rows(`UPDATE token SET rotate_at = NULL, notice_at = NULL, ended_at = now() - $2 * interval '1 hour' WHERE token_id = $1`, [tokenId, 90 * 24 + 1 + n * 40]);
    const left = async (table: string) => (await rows(`SELECT 1 FROM ${table} WHERE token_id = ANY($1)`, [old.map(({ tokenId }) => tokenId)])).length;
    for (const expected of [2, 1, 0]) {
      await forgetEnded({ query: rows as never }, 1);
      expect([await left('token'), await left('rotation')]).toEqual([expected, expected]);
    }
  });

  it('names who still uses the old secret before the deadline, and again only when somebody joins (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await rotated(tokenId, rotationId, 'claimable');
    await rotated(tokenId, rotationId, 'delivered');
    await inState(rotationId, 'delivered');
    await rotated(tokenId, rotationId, 'used');
    await inState(rotationId, 'used');
    const use = (gateway: string, generation: number, code = 'VALID') => bench.bus.say('issuer', 'usage.recorded', {
      verifierId: 'v1', watermark: inSeconds(0),
      records: [{ tokenId, generation, code, gateway, network: '10.1.2.0/24', agent: 'curl', count: 3, firstAt: inSeconds(0), lastAt: inSeconds(1) }],
    });
    await Promise.all([use('gw-new', 2), use('gw-dead', 1, 'REVOKED'), use('gw-old', 1), use('gw-old', 1)]);
    await until(async () => (await rows('SELECT 1 FROM straggler WHERE rotation_id = $1 AND count = 6', [rotationId])).length === 1, 'the straggler');
    // The settling time passes.
    await rows(`UPDATE rotation SET started_at = started_at - interval '1 hour', used_at = used_at - interval '1 hour', watch_at = now() WHERE rotation_id = $1`, [rotationId]);
    const blocked = await tap.next('rotation.blocked', (data) => data.rotationId === rotationId);
    expect(blocked.envelope.data.stragglers).toMatchObject([{ gateway: 'gw-old', network: '10.1.2.0/24', agent: 'curl', count: 6 }]);
    await use('gw-old', 1);
    await until(async () => (await rows('SELECT 1 FROM straggler WHERE rotation_id = $1 AND count = 9', [rotationId])).length === 1, 'more uses');
    await use('gw-late', 1);
    await tap.next('rotation.blocked', (data) => data.rotationId === rotationId && (data.stragglers as unknown[]).length === 2);
    expect(tap.ofType('rotation.blocked').filter(({ envelope: { data } }) => data.rotationId === rotationId)).toHaveLength(2);
    expect((await call('GET', `/v1/rotations/${rotationId}`, 'owner')).body).toMatchObject({ blocked: true, stragglers: [{ count: expect.any(Number) }, {}] });
    await retired(tokenId, rotationId, 1);
    await inState(rotationId, 'completed');
    expect((await call('GET', `/v1/rotations/${rotationId}`, 'owner')).body).toMatchObject({ state: 'completed', stragglers: [] });
  });

  it('names who calls rarely too, though nobody was there when it looked (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await rotated(tokenId, rotationId, 'claimable');
    await rotated(tokenId, rotationId, 'delivered');
    await inState(rotationId, 'delivered');
    const use = () => bench.bus.say('issuer', 'usage.recorded', {
      verifierId: 'v1', watermark: inSeconds(0), records: [{ tokenId, generation: 1, code: 'VALID', gateway: 'gw-weekly', count: 1, firstAt: inSeconds(0), lastAt: inSeconds(1) }],
    });
    await use();
    await until(async () => (await rows('SELECT 1 FROM straggler WHERE rotation_id = $1', [rotationId])).length === 1, 'the straggler');
    await rows(`UPDATE straggler SET last_seen_at = now() - interval '3 days' WHERE rotation_id = $1`, [rotationId]);
    await rows(`UPDATE rotation SET started_at = started_at - interval '9 days', watch_at = now() - interval '1 hour' WHERE rotation_id = $1`, [rotationId]);
    await until(async () => (await rows('SELECT 1 FROM rotation WHERE rotation_id = $1 AND watch_at > deadline_at', [rotationId])).length === 1, 'a look that finds nobody');
    await use();
    expect((await tap.next('rotation.blocked', (data) => data.rotationId === rotationId)).envelope.data.stragglers).toMatchObject([{ gateway: 'gw-weekly', count: 2 }]);
  });

  it('that the issuer does not answer is said again, under the same id (G2)', async () => {
    const { rotationId } = await due();
    await rows(`UPDATE rotation SET started_at = now() - interval '2 minutes', watch_at = watch_at - interval '2 minutes' WHERE rotation_id = $1`, [rotationId]);
    await until(() => tap.ofType('rotation.due').filter(({ envelope: { data } }) => data.rotationId === rotationId).length === 2, 'the reminder');
  });

  it('waits while the token is suspended, and the later of two states wins whatever came first', async () => {
    const tokenId = await issued();
    const heard = [await change('token.resumed', tokenId, 6), await change('token.suspended', tokenId, 5)];
    await until(async () => (await rows('SELECT 1 FROM inbox WHERE message_id = ANY($1)', [heard])).length === 2, 'both to be heard');
    expect(await rows('SELECT suspended FROM token WHERE token_id = $1', [tokenId])).toEqual([{ suspended: false }]);
    await change('token.suspended', tokenId, 7);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND suspended', [tokenId])).length === 1, 'the suspension');
    await makeDue(tokenId);
    await due(); // A later date was seen to.
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = $1', [tokenId])).toEqual([]);
    await change('token.resumed', tokenId, 8);
    await tap.next('rotation.due', (data) => data.tokenId === tokenId);
  });

  it('that ends while its token is suspended leaves a date, whichever of resumption and end is heard first (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await change('token.suspended', tokenId, 5);
    await rotated(tokenId, rotationId, 'claimable');
    await retired(tokenId, rotationId, 2, 'unclaimed');
    await inState(rotationId, 'lapsed');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND suspended AND rotate_at > now()', [tokenId])).toHaveLength(1);
    const delivered = await issued();
    await change('token.suspended', delivered, 5);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND suspended', [delivered])).length === 1, 'the suspension');
    await rows('UPDATE token SET rotate_at = NULL WHERE token_id = $1', [delivered]);
    await deliver(delivered);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND suspended AND rotate_at > now()', [delivered])).length === 1, 'a new date');
  });

  it('belongs to the later of two owners, whichever was heard of first (G7, G10)', async () => {
    const tokenId = await issued();
    await transferred(tokenId, 12);
    const { envelope } = await tap.next('rotation.due', (data) => data.tokenId === tokenId);
    const late = await transferred(tokenId, 11, 'svc:between', 'between');
    await until(async () => (await rows('SELECT 1 FROM inbox WHERE message_id = $1', [late])).length === 1, 'the earlier owner to be heard of');
    expect(await rows(`SELECT owner->>'id' AS owner, claimant->>'sub' AS claimant FROM token WHERE token_id = $1`, [tokenId])).toEqual([{ owner: 'svc:new', claimant: 'mallory' }]);
    expect(await rows('SELECT rotation_id FROM rotation WHERE token_id = $1', [tokenId])).toEqual([{ rotation_id: envelope.data.rotationId }]);
  });
});

describe('a rotation that a person asks for', () => {
  it('is one per key and while it lasts, for owner and claimant, and nobody else knows of it (G2, G10)', async () => {
    const tokenId = await issued();
    const key = { 'idempotency-key': `key-${tokenId}` };
    expect((await call('POST', `/v1/tokens/${tokenId}/rotate`, 'stranger', {})).status).toBe(404);
    const [first, same, other] = [await call('POST', `/v1/tokens/${tokenId}/rotate`, 'claimant', { reason: 'laptop lost' }, key), await call('POST', `/v1/tokens/${tokenId}/rotate`, 'claimant', { reason: 'laptop lost' }, key), await call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', {})];
    expect(first).toMatchObject({ status: 202, body: { state: 'due', cause: 'requested', stragglers: [] } });
    expect([same.body.rotationId, other.body.rotationId]).toEqual([first.body.rotationId, first.body.rotationId]);
    expect((await tap.next('rotation.due', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ cause: 'requested', by: { sub: 'alice' }, reason: 'laptop lost' });
    expect(first.body).toMatchObject({ by: { sub: 'alice' }, reason: 'laptop lost' });
    expect((await call('GET', `/v1/rotations/${first.body.rotationId}`, 'stranger')).status).toBe(404);
    expect((await call('GET', `/v1/tokens/${tokenId}/rotations`, 'owner')).body.items).toHaveLength(1);
    await rotated(tokenId, first.body.rotationId as RotationId, 'claimable');
    await rotated(tokenId, first.body.rotationId as RotationId, 'delivered');
    await retired(tokenId, first.body.rotationId as RotationId, 1);
    await inState(first.body.rotationId as string, 'completed');
    await rows('DELETE FROM idempotency');
    expect((await call('POST', `/v1/tokens/${tokenId}/rotate`, 'claimant', { reason: 'laptop lost' }, key)).body.rotationId).toBe(first.body.rotationId);
  });

  it('is one although a hundred answers are lost and asked for again at once (G2, G7)', async () => {
    const tokenId = await issued();
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', {})));
    expect(new Set(answers.map(({ body }) => body.rotationId)).size).toBe(1);
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = $1', [tokenId])).toHaveLength(1);
  });

  it('in an emergency ends the old secret at once and what was under way (G7)', async () => {
    const { tokenId, rotationId } = await due();
    await rotated(tokenId, rotationId, 'claimable');
    await inState(rotationId, 'claimable');
    const { body } = await call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', { cause: 'emergency', reason: 'leaked' });
    expect(body.rotationId).not.toBe(rotationId);
    expect(body.deadlineAt).toBe(body.startedAt);
    expect(await stateOf(rotationId)).toBe('stopped');
    // Its old secret is dead, and stopped it would leave none.
    expect((await call('POST', `/v1/rotations/${body.rotationId}/stop`, 'owner', { reason: 'x' })).body.code).toBe('old-secret-ended');
    await bench.bus.say('issuer', 'token.retired', { tokenId, rotationId, generation: 2, code: 'superseded', seq: 1 });
    await bench.bus.say('issuer', 'token.retired', { tokenId, generation: 1, code: 'emergency', seq: 2 });
    await rotated(tokenId, body.rotationId, 'claimable', 3, { deadlineAt: body.startedAt, alone: true });
    await inState(body.rotationId, 'claimable');
    const endOf = async () => (await call('GET', `/v1/rotations/${body.rotationId}`, 'owner')).body.endedAt;
    expect(await endOf()).toBeUndefined();
    await deliver(tokenId, 3);
    await inState(body.rotationId, 'completed');
    expect(await endOf()).toEqual(expect.any(String));
    expect(await stateOf(rotationId)).toBe('stopped');
  });

  it('after an emergency that nobody claimed ends with its delivery: no old secret is left whose end would be said (G7)', async () => {
    const tokenId = await issued();
    const lost = (await call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', { cause: 'emergency', reason: 'leaked' })).body.rotationId;
    await rotated(tokenId, lost, 'claimable', 2, { alone: true });
    await retired(tokenId, lost, 2, 'unclaimed');
    await inState(lost, 'lapsed');
    await makeDue(tokenId);
    const next = (await tap.next('rotation.due', (data) => data.tokenId === tokenId && data.rotationId !== lost)).envelope.data.rotationId as RotationId;
    await rotated(tokenId, next, 'claimable', 3, { alone: true });
    await rotated(tokenId, next, 'delivered', 3);
    await rotated(tokenId, next, 'used', 3);
    await inState(next, 'completed');
    expect(await rows('SELECT 1 FROM token WHERE token_id = $1 AND rotate_at > now()', [tokenId])).toHaveLength(1);
  });

  it('can be stopped before its successor is used, and forced once it was delivered; both are recorded', async () => {
    const { tokenId, rotationId } = await due();
    expect((await call('POST', `/v1/rotations/${rotationId}/force`, 'owner', { reason: 'now' })).body.code).toBe('successor-not-delivered');
    expect((await call('POST', `/v1/rotations/${rotationId}/stop`, 'stranger', { reason: 'x' })).status).toBe(404);
    expect((await call('POST', `/v1/rotations/${rotationId}/stop`, 'owner', { reason: 'freeze' })).body.state).toBe('stopped');
    expect(await rows(`SELECT 1 FROM token WHERE token_id = $1 AND rotate_at BETWEEN now() + interval '23 hours' AND now() + interval '1 day'`, [tokenId])).toHaveLength(1); // Then policy has its way.
    expect((await tap.next('rotation.steered', (data) => data.rotationId === rotationId)).envelope.data).toMatchObject({ command: 'stop', reason: 'freeze', by: { sub: 'svc:a' } });
    const again = (await call('POST', `/v1/tokens/${tokenId}/rotate`, 'owner', {})).body.rotationId as RotationId;
    expect(again).not.toBe(rotationId);
    for (const stage of ['claimable', 'delivered', 'used'] as const) await rotated(tokenId, again, stage);
    await inState(again, 'used');
    expect((await call('POST', `/v1/rotations/${again}/stop`, 'owner', { reason: 'x' })).body.code).toBe('successor-in-use');
    expect((await call('POST', `/v1/rotations/${again}/force`, 'admin', { reason: 'enough' })).status).toBe(200);
    await tap.next('rotation.steered', (data) => data.rotationId === again && data.command === 'force');
    expect((await call('GET', `/v1/rotations/${again}`, 'owner')).body).toMatchObject({ by: { sub: 'svc:a' }, steered: { command: 'force', by: { sub: 'ada' }, reason: 'enough' } });
  });

  it('is refused for a token without a secret, suspended, ended or just expired, with a reason', async () => {
    const [unclaimed, stopped, ended, expired] = [await issue(), await issued(), await issued(), await issued()];
    await rows('UPDATE token SET expires_at = now(), rotate_at = now() WHERE token_id = $1', [expired]); // Before the issuer says so.
    await change('token.suspended', stopped, 1);
    await change('token.revoked', ended, 1);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = ANY($1) AND (suspended OR ended_at IS NOT NULL)', [[stopped, ended]])).length === 2, 'both');
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1', [unclaimed])).length === 1, 'the unclaimed one');
    const codeOf = async (id: string, body: object = {}) => (await call('POST', `/v1/tokens/${id}/rotate`, 'owner', body)).body.code as string;
    expect([await codeOf(unclaimed), await codeOf(stopped), await codeOf(ended)]).toEqual(['token-not-delivered', 'token-suspended', 'token-ended']);
    expect(await codeOf(expired)).toBe('token-ended');
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = $1', [expired])).toEqual([]);
    expect((await call('POST', `/v1/tokens/${stopped}/rotate`, 'owner', { cause: 'emergency' })).status).toBe(202);
    expect((await call('POST', `/v1/tokens/${stopped}/rotate`, 'owner', { cause: 'scheduled' })).status).toBe(400);
  });
});

describe('a rotation asked for right after the claim', () => {
  it('waits for the word of it', async () => {
    const known = await issue();
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1', [known])).length === 1, 'the token');
    const asked = call('POST', `/v1/tokens/${known}/rotate`, 'owner', {});
    await sleep(300);
    await deliver(known);
    expect((await asked).status).toBe(202);
  });
});

describe('a mass rotation', () => {
  it('starts each token that fits once, slice by slice, and shows how far it is (G2, G11)', async () => {
    const resource = `mass-${process.pid}`;
    const ids = await Promise.all(Array.from({ length: 45 }, () => issued({ resource })));
    const [other, ended, rotating] = [await issued(), ids[0]!, ids[1]!];
    await change('token.revoked', ended, 1);
    await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND ended_at IS NOT NULL', [ended])).length === 1, 'the end');
    const before = (await call('POST', `/v1/tokens/${rotating}/rotate`, 'owner', {})).body.rotationId;
    expect((await call('POST', '/v1/campaigns', 'owner', { cause: 'emergency', reason: 'x', resource })).status).toBe(403);
    expect((await call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'x' })).body.code).toBe('invalid-body');
    const { body: { campaignId } } = await call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'leak', resource });
    const campaign = async () => (await call('GET', `/v1/campaigns/${campaignId}`, 'admin')).body;
    await until(async () => (await campaign()).seen === 30, 'three slices');
    await sleep(300);
    expect(await campaign()).toMatchObject({ total: 44, seen: 30, rotations: { due: 30 } }); // The issuer is given no more before it has answered.
    const begun = await rows('SELECT token_id, rotation_id FROM rotation WHERE campaign_id = $1', [campaignId]);
    await Promise.all(begun.map(({ token_id, rotation_id }) => rotated(token_id as TokenId, rotation_id as RotationId, 'claimable')));
    const done = await until(async () => {
      const body = await campaign();
      return body.spreadAt !== undefined && body;
    }, 'all to be looked at');
    expect(done).toMatchObject({ cause: 'emergency', seen: 44, skipped: 0, rotations: { claimable: 30, due: 14 } });
    expect(await stateOf(before)).toBe('stopped');
    expect(await rows('SELECT 1 FROM rotation WHERE token_id = ANY($1)', [[other, ended]])).toEqual([]);
    await until(() => tap.ofType('rotation.due').filter(({ envelope: { data } }) => data.cause === 'emergency' && ids.includes(data.tokenId as TokenId)).length === 44, 'all events');
    expect(tap.ofType('act.recorded').map(({ envelope: { data } }) => data)).toContainEqual(expect.objectContaining({ act: 'POST /v1/campaigns', by: expect.objectContaining({ sub: 'ada' }), reason: 'leak' }));
    const { body: again } = await call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'leak', resource });
    await until(async () => (await call('GET', `/v1/campaigns/${again.campaignId}`, 'admin')).body.spreadAt !== undefined, 'the second');
    expect((await call('GET', `/v1/campaigns/${again.campaignId}`, 'admin')).body).toMatchObject({ seen: 44, skipped: 44, rotations: {} });
  });

  it('in an emergency waits for no other that is under way (G7)', async () => {
    const [slow, leaky] = [`slow-${process.pid}`, `leaky-${process.pid}`];
    await Promise.all(Array.from({ length: 35 }, () => issued({ resource: slow })));
    const urgent = await issued({ resource: leaky });
    const { body: { campaignId } } = await call('POST', '/v1/campaigns', 'admin', { cause: 'requested', reason: 'yearly', resource: slow });
    await until(async () => (await call('GET', `/v1/campaigns/${campaignId}`, 'admin')).body.seen === 30, 'as much as the issuer is given at once');
    await rows(`UPDATE rotation SET started_at = now() + interval '1 hour' WHERE campaign_id = $1`, [campaignId]); // However slow this machine is.
    await call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'leak', resource: leaky });
    const { envelope } = await tap.next('rotation.due', (data) => data.tokenId === urgent);
    expect(envelope.data).toMatchObject({ cause: 'emergency', reason: 'leak' });
    expect((await call('GET', `/v1/campaigns/${campaignId}`, 'admin')).body).toMatchObject({ seen: 30 });
  });

  describe('in an emergency, when a secret that was out before it is heard of afterwards,', () => {
    const ofResource = (name: string) => `${name}-${process.pid}`;
    const campaign = async (id: string) => (await call('GET', `/v1/campaigns/${id}`, 'admin')).body;
    /** Ordered a minute ago, and spread since. */
    async function spread(resource: string): Promise<string> {
      const { body: { campaignId } } = await call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'leak', resource });
      await until(async () => (await campaign(campaignId)).spreadAt !== undefined, 'all to be looked at');
      await rows(`UPDATE campaign SET started_at = started_at - interval '1 minute' WHERE campaign_id = $1`, [campaignId]);
      return campaignId;
    }
    const before = { time: inSeconds(-120) };
    const rotationsOf = (id: TokenId) => rows('SELECT cause, campaign_id FROM rotation WHERE token_id = $1 ORDER BY started_at', [id]);
    const known = (ids: TokenId[]) => until(async () => (await rows('SELECT 1 FROM token WHERE token_id = ANY($1)', [ids])).length === ids.length, 'the tokens');
    const heard = async (...events: Promise<string>[]) => {
      const ids = await Promise.all(events);
      await until(async () => (await rows('SELECT 1 FROM inbox WHERE message_id = ANY($1)', [ids])).length === ids.length, 'the events to be heard');
    };
    const seenTo = () => until(async () => (await rows('SELECT 1 FROM late_delivery')).length === 0, 'all late deliveries to be seen to');

    it('rotates that token as well, once, however often it is told, and counts it (G2, G7)', async () => {
      const resource = ofResource('late');
      const [at, late, after, other, unknown] = [await issued({ resource }), await issue({ resource }), await issue({ resource }), await issue(), newTokenId()];
      await known([late, after, other]);
      const campaignId = await spread(resource);
      expect(await campaign(campaignId)).toMatchObject({ total: 1, seen: 1, rotations: { due: 1 } });
      await heard(deliver(late, 1, before), deliver(late, 1, before), deliver(after), deliver(other, 1, before), deliver(unknown, 1, before));
      const { envelope } = await tap.next('rotation.due', (data) => data.tokenId === late);
      expect(envelope.data).toMatchObject({ cause: 'emergency', reason: 'leak', by: { sub: 'ada' } });
      await issue({ resource, tokenId: unknown });
      await tap.next('rotation.due', (data) => data.tokenId === unknown);
      const sealed = await issue({ resource, delivery: { mode: 'sealed', keyId: 'k' }, issuedAt: before.time });
      await tap.next('rotation.due', (data) => data.tokenId === sealed);
      const rotationIds = await rows('SELECT token_id, rotation_id FROM rotation WHERE token_id = ANY($1)', [[at, late]]);
      await Promise.all(rotationIds.map(({ token_id, rotation_id }) => rotated(token_id as TokenId, rotation_id as RotationId, 'claimable')));
      for (const { rotation_id } of rotationIds) await inState(rotation_id as string, 'claimable');
      await heard(deliver(late, 1, before), deliver(at, 1, before));
      await seenTo();
      for (const id of [at, late, unknown, sealed]) expect(await rotationsOf(id)).toEqual([{ cause: 'emergency', campaign_id: campaignId }]);
      for (const id of [after, other]) expect(await rotationsOf(id)).toEqual([]);
      expect(await campaign(campaignId)).toMatchObject({ total: 4, seen: 4, skipped: 0, rotations: { due: 2, claimable: 2 } });
    });

    it('replaces the successor of an emergency that was under way, too (G7)', async () => {
      const resource = ofResource('under-way');
      const [tokenId, out] = [await issued({ resource }), await issued({ resource })];
      const emergency = async (id: TokenId) => (await call('POST', `/v1/tokens/${id}/rotate`, 'owner', { cause: 'emergency', reason: 'lost' })).body.rotationId;
      const [rotationId, outId] = [await emergency(tokenId), await emergency(out)];
      await rows(`UPDATE rotation SET started_at = started_at - interval '5 minutes' WHERE rotation_id = $1`, [rotationId]);
      await rotated(tokenId, rotationId, 'claimable', 2, { alone: true });
      await rotated(out, outId, 'delivered'); // That it could be claimed is still to be heard.
      await inState(rotationId, 'claimable');
      await inState(outId, 'delivered');
      const campaignId = await spread(resource);
      expect(await campaign(campaignId)).toMatchObject({ skipped: 1, rotations: { due: 1 } });
      expect(await rotationsOf(out)).toHaveLength(2);
      await rotated(tokenId, rotationId, 'delivered', 2, {}, before);
      await tap.next('rotation.due', (data) => data.tokenId === tokenId && data.rotationId !== rotationId);
      expect((await rotationsOf(tokenId)).map(({ campaign_id }) => campaign_id)).toEqual([null, campaignId]);
      expect(await stateOf(rotationId)).toBe('completed');
    });

    it('leaves it alone once the campaign was stopped, or is long past', async () => {
      const [stopped, past] = [ofResource('stopped'), ofResource('past')];
      const tokenIds = [await issue({ resource: stopped }), await issue({ resource: past })];
      await known(tokenIds);
      const [stoppedId, pastId] = [await spread(stopped), await spread(past)];
      expect((await call('POST', `/v1/campaigns/${stoppedId}/stop`, 'admin')).status).toBe(200);
      await rows(`UPDATE campaign SET late_until = late_until - interval '7 days' WHERE campaign_id = $1`, [pastId]);
      await heard(...tokenIds.map((id) => deliver(id, 1, before)));
      await rows('INSERT INTO late_delivery VALUES ($1, $2)', [stoppedId, tokenIds[0]]); // As one that was heard of just before the stop.
      await seenTo();
      for (const id of tokenIds) expect(await rotationsOf(id)).toEqual([]);
    });

    it('comes by itself to what still lies before it, and rotates it once (G2)', async () => {
      const tokenId = await issued({ resource: ofResource('ahead') });
      await rows(
        `WITH ordered AS (INSERT INTO campaign (campaign_id, cause, reason, requested_by, filter, started_at, late_until)
           VALUES ('cmp_ahead', 'emergency', 'leak', '{"iss":"x","sub":"ada"}', $1, now(), now() + interval '1 day'))
         INSERT INTO late_delivery VALUES ('cmp_ahead', $2)`, [JSON.stringify({ resource: ofResource('ahead') }), tokenId],
      );
      await seenTo();
      expect(await rotationsOf(tokenId)).toEqual([{ cause: 'emergency', campaign_id: 'cmp_ahead' }]);
      expect(await campaign('cmp_ahead')).toMatchObject({ seen: 1, skipped: 0 });
    });

    it('misses none whose hearing and order meet, whichever commits first (G2)', async () => {
      const waiting = (statement: string) => until(
        async () => (await rows(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`, [statement])).length > 0, `${statement} to wait`);
      const [resource, hearing] = [ofResource('meeting'), ofResource('hearing')];
      const [first, second] = [await issue({ resource }), await issue({ resource: hearing })];
      await known([first, second]);
      const other = new Client({ connectionString: bench.database('rotation').adminUrl });
      await other.connect();
      try {
        // An order is about to commit while its token's delivery is heard.
        await other.query('BEGIN');
        await other.query('LOCK TABLE late_delivery IN SHARE MODE');
        await deliver(first);
        await waiting('INSERT INTO late_delivery%');
        await other.query(
          `INSERT INTO campaign (campaign_id, cause, reason, requested_by, filter, started_at, spread_at, late_until)
           VALUES ('cmp_meeting', 'emergency', 'leak', '{"iss":"x","sub":"ada"}', $1, clock_timestamp(), now(), now() + interval '1 day')`, [JSON.stringify({ resource })],
        );
        await other.query('COMMIT');
        await tap.next('rotation.due', (data) => data.tokenId === first);
        // A delivery is heard, and about to commit, while the order comes.
        await other.query('BEGIN');
        await other.query('UPDATE token SET secret_since = now() WHERE token_id = $1', [second]);
        await other.query('INSERT INTO late_delivery SELECT campaign_id, $1 FROM campaign WHERE false', [second]);
        const ordered = call('POST', '/v1/campaigns', 'admin', { cause: 'emergency', reason: 'leak', resource: hearing });
        await waiting('LOCK TABLE late_delivery%');
        await other.query('COMMIT');
        expect((await ordered).status).toBe(202);
        await tap.next('rotation.due', (data) => data.tokenId === second);
      } finally {
        await other.end();
      }
    });
  });
});
