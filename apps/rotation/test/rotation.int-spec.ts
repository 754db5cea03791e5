import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@writ/testing';
import type { RotationId, TokenId } from '@writ/contracts';
import { forecast } from '../src/forecast.store.js';
import { forgetEnded } from '../src/token.store.js';
import { begin, bench, call, change, day, deliver, due, end, inSeconds, inState, issue, issued, makeDue, newTokenId, permutations, requestIdOf, retired, rotated, rows, stateOf, tap, transferred } from './rotating.js';

beforeAll(begin);
afterAll(end);

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
    const tokenId = newTokenId();
    await change('token.revoked', tokenId, 7);
    await until(async () => (await rows('SELECT 1 FROM early_event WHERE token_id = $1', [tokenId])).length === 1, 'the early event');
    await issue({ tokenId });
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
