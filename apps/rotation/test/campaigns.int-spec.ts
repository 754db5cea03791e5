import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { until } from '@writ/testing';
import type { RotationId, TokenId } from '@writ/contracts';
import { begin, bench, call, change, deliver, end, inSeconds, inState, issue, issued, newTokenId, rotated, rows, stateOf, tap } from './rotating.js';

beforeAll(begin);
afterAll(end);

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
