import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@writ/testing';
import type { RotationId } from '@writ/contracts';
import { begin, bench, call, change, deliver, due, end, inState, issue, issued, makeDue, retired, rotated, rows, stateOf, tap } from './rotating.js';

beforeAll(begin);
afterAll(end);

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
