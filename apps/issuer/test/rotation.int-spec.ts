import { makeId, signStatement, type MisuseAction } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { innerDigest } from '@writ/token';
import { randomBytes } from 'node:crypto';
import { IssuerConfig } from '../src/config.js';
import { Incidents } from '../src/incidents/incident.store.js';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_ZERO_TRAFFIC_SECONDS: '2' });
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const codeOf = async (token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, gateway)).body.code as string;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const claim = async (tokenId: string, body: object) => issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, body, await issuing.bearer('alice'));

const endsOf = (tokenId: string) => issuing.bench.database('issuer').query<{ generation: number; retires_at: Date | null }>(
  `SELECT generation, retires_at FROM generation WHERE token_id = $1 AND state <> 'retired' ORDER BY generation`, [tokenId],
);

async function rotate(tokenId: string, more: { cause?: 'scheduled' | 'emergency'; deadlineMs?: number; claimMs?: number } = {}): Promise<string> {
  const rotationId = makeId('rot', Date.now(), randomBytes(10));
  const { cause = 'scheduled', deadlineMs = 60_000, claimMs = 60_000 } = more;
  await issuing.due({ tokenId, rotationId, cause, deadlineAt: inMs(deadlineMs), claimBefore: inMs(claimMs) });
  await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'claimable');
  return rotationId;
}

/** Whether a successor was said to have no other secret beside it. */
const aloneIn = (rotationId: string) => tap.ofType('token.rotated').find(({ envelope: { data } }) => data.rotationId === rotationId && data.stage === 'claimable')?.envelope.data.alone;

describe('a rotation', () => {
  it('"jobs in flight keep the old key" (cloud-key-rotator#10): ours lives until the new one has been used, and then for the grace (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId, { deadlineMs: 2_500 });
    const { status, body } = await claim(tokenId, { rotationId });
    expect(status).toBe(201);
    expect(body.generation).toBe(2);
    await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'delivered');
    expect(await codeOf(secret)).toBe('VALID');
    expect(await codeOf(body.secret)).toBe('VALID');
    await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'used');
    const retired = await tap.next('token.retired', (data) => data.tokenId === tokenId);
    expect(retired.envelope.data).toMatchObject({ generation: 1, rotationId, code: 'deadline' });
    await until(async () => (await codeOf(secret)) === 'REVOKED', 'the end of the old secret', 2_000);
    expect(await codeOf(body.secret)).toBe('VALID');
    const ordinals = tap.heard.filter(({ envelope }) => envelope.data.tokenId === tokenId && envelope.source === 'urn:writ:service:issuer').map(({ envelope }) => Number(envelope.aggregateversion)).sort((a, b) => a - b);
    expect(ordinals).toEqual(ordinals.map((_, i) => i + 1));
  });

  it('ends the old secret before its deadline once nobody shows it any more (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId, { deadlineMs: 60_000 });
    const { body } = await claim(tokenId, { rotationId });
    const began = performance.now();
    while (performance.now() - began < 1_500) {
      expect(await codeOf(secret)).toBe('VALID');
      expect(await codeOf(body.secret)).toBe('VALID');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const retired = await tap.next('token.retired', (data) => data.rotationId === rotationId);
    expect(retired.envelope.data).toMatchObject({ generation: 1, code: 'no-traffic' });
    expect(await codeOf(body.secret)).toBe('VALID');
  });

  it('whose successor nobody claims lapses, and the old secret lives on (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId, { claimMs: 500, deadlineMs: 1_500 });
    const retired = await tap.next('token.retired', (data) => data.rotationId === rotationId);
    expect(retired.envelope.data).toMatchObject({ generation: 2, code: 'unclaimed' });
    expect((await claim(tokenId, { rotationId })).body.code).toBe('secret-retired');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await codeOf(secret)).toBe('VALID');
  });

  it('whose successor nobody claims ends the old secret at its deadline where the operator has it cut, and a further one lets the owner in again (G7)', async () => {
    const config = issuer.app.get(IssuerConfig);
    config.unclaimedSuccessor = 'cut';
    try {
      const { tokenId, secret } = await issuing.claimed(issuer);
      const rotationId = await rotate(tokenId, { claimMs: 500, deadlineMs: 2_500 });
      const [old] = await endsOf(tokenId);
      expect((await tap.next('token.retired', (data) => data.rotationId === rotationId)).envelope.data).toMatchObject({ generation: 2, code: 'unclaimed', oldEndsAt: old!.retires_at!.toISOString() });
      expect(await codeOf(secret)).toBe('VALID');
      const next = await rotate(tokenId); // Which gives the old one no more time.
      await tap.next('token.retired', (data) => data.tokenId === tokenId && data.generation === 1 && data.code === 'deadline');
      await until(async () => (await codeOf(secret)) === 'REVOKED', 'the end of the old secret');
      expect(await codeOf((await claim(tokenId, { rotationId: next })).body.secret)).toBe('VALID');
    } finally {
      config.unclaimedSuccessor = 'keep';
    }
  });

  it('ends the old secret in the second of its deadline though the job is held up, in every memory, and only where somebody has the new one (G7)', async () => {
    const [fetched, unclaimed] = [await issuing.claimed(issuer), await issuing.claimed(issuer)];
    for (const { secret } of [fetched, unclaimed]) expect(await codeOf(secret)).toBe('VALID'); // In memory, without that end.
    const rotationId = await rotate(fetched.tokenId, { deadlineMs: 3_000 });
    await rotate(unclaimed.tokenId, { deadlineMs: 3_000 });
    await claim(fetched.tokenId, { rotationId });
    await issuer.app.get(Transactions<'issuer'>).run(async ({ db }) => {
      const lock = 'SELECT 1 FROM token WHERE token_id = ANY($1) FOR UPDATE';
      await db.query(lock, [[fetched.tokenId, unclaimed.tokenId]]);
      await until(async () => (await codeOf(fetched.secret)) === 'EXPIRED', 'the end of the old secret');
      expect((await endsOf(fetched.tokenId)).map(({ generation }) => generation)).toEqual([1, 2]);
      expect(await codeOf(unclaimed.secret)).toBe('VALID');
    });
    await until(async () => (await codeOf(fetched.secret)) === 'REVOKED', 'the job to end it too');
    expect(await codeOf(unclaimed.secret)).toBe('VALID');
  });

  it('whose order comes after its last date leaves its owner the old secret (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId, { claimMs: -2_000, deadlineMs: -1_000 });
    expect((await tap.next('token.retired', (data) => data.rotationId === rotationId)).envelope.data).toMatchObject({ generation: 2, code: 'unclaimed' });
    expect(await endsOf(tokenId)).toEqual([{ generation: 1, retires_at: null }]);
    expect(await codeOf(secret)).toBe('VALID');
  });

  it('that follows an unclaimed one has a deadline of its own (G7)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    await rotate(tokenId, { deadlineMs: 30_000 });
    await rotate(tokenId, { deadlineMs: 90_000 });
    const [old] = await endsOf(tokenId);
    expect(old!.retires_at!.getTime()).toBeGreaterThan(Date.now() + 60_000);
  });

  it('in an emergency ends the old secret at once', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId, { cause: 'emergency' });
    await until(async () => (await codeOf(secret)) === 'REVOKED', 'the end of the old secret', 1_000);
    const { body } = await claim(tokenId, { rotationId });
    expect(await codeOf(body.secret)).toBe('VALID');
  });

  it('"a pending version left behind blocks the next rotation" (aws-secrets-manager-rotation-lambdas#168): the next one makes it room (G7)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const first = await rotate(tokenId);
    const second = await rotate(tokenId);
    expect((await claim(tokenId, { rotationId: first })).body.code).toBe('secret-retired');
    expect((await claim(tokenId, { rotationId: second })).status).toBe(201);
  });

  it('"a lost answer locks the caller out" (gitlab#524639, hydra#1831): of a hundred each token has exactly one living successor (G2, G7)', async () => {
    const requests = Array.from({ length: 100 }, () => issuing.submission());
    await Promise.all(requests.flatMap((request) => [issuing.bench.bus.say('request', 'request.submitted', request), issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request))]));
    const bearer = await issuing.bearer('alice');
    const secretsOf = async (request: { requestId: string }) => {
      const tokenId = String((await tap.next('token.issued', (data) => data.requestId === request.requestId)).envelope.data.tokenId);
      const claimAs = async (key: string, body: object) => (await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, body, { ...bearer, 'idempotency-key': key })).body.secret;
      const old = await claimAs('first', {});
      const rotationId = await rotate(tokenId);
      const lost = [await claimAs('lost', { rotationId }), await claimAs('lost', { rotationId })];
      return [old, ...lost, await claimAs('lost', { rotationId })];
    };
    const secrets = (await Promise.all(requests.map(secretsOf))).flat();
    const { body } = await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens: secrets.map((token) => ({ token })) }, gateway);
    expect(body.results.map(({ code }) => code)).toEqual(requests.flatMap(() => ['VALID', 'REVOKED', 'REVOKED', 'VALID']));
  });

  it('is ended by a revocation, its pending secret too', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const rotationId = await rotate(tokenId);
    await issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'x' }, await issuing.bearer('alice'));
    expect((await claim(tokenId, { rotationId })).body.code).toBe('token-ended');
  });

  it('begins once, however often it is said, also long after its end (G2)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const order = { tokenId, rotationId: makeId('rot', Date.now(), randomBytes(10)), cause: 'emergency' as const, deadlineAt: inMs(0), claimBefore: inMs(700) };
    await issuing.due(order);
    await tap.next('token.retired', (data) => data.rotationId === order.rotationId && data.code === 'unclaimed');
    const again = await issuing.due(order);
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM inbox WHERE message_id = $1', [again])).length === 1, 'the repetition to be heard');
    expect(tap.ofType('token.rotated').filter(({ envelope }) => envelope.data.tokenId === tokenId)).toHaveLength(1);
  });

  it.each([
    ['unsigned', () => undefined], ['signed by a key for other things', () => ({ key: 'monitor' as const })], ['signed for another cause', () => ({ cause: 'scheduled' as const })],
  ])('is not begun by an order that is %s; it is parked, and the secret lives (G10)', async (_what, how) => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const facts = { tokenId, rotationId: makeId('rot', Date.now(), randomBytes(10)), cause: 'emergency' as const, deadlineAt: inMs(0), claimBefore: inMs(60_000) };
    const forged: { key?: 'monitor'; cause?: 'scheduled' } | undefined = how();
    const statement = forged && signStatement(issuing.bench.signingKey(forged.key ?? 'rotation'), 'rotation', { iat: Math.floor(Date.now() / 1000), ...facts, cause: forged.cause ?? facts.cause });
    const id = await issuing.bench.bus.say('rotation', 'rotation.due', { ...facts, tokenId: tokenId as never, statement });
    await tap.next('message.parked', (data) => data.messageId === id);
    expect(await codeOf(secret)).toBe('VALID');
  });

  it('can be stopped, and forced', async () => {
    const stopped = await issuing.claimed(issuer);
    const first = await rotate(stopped.tokenId);
    const by = issuing.person('root');
    await issuing.steer({ tokenId: stopped.tokenId, rotationId: first, command: 'stop', by, reason: 'x' });
    expect((await tap.next('token.retired', (data) => data.rotationId === first)).envelope.data).toMatchObject({ generation: 2, code: 'stopped' });
    expect(await codeOf(stopped.secret)).toBe('VALID');
    expect(await endsOf(stopped.tokenId)).toEqual([{ generation: 1, retires_at: null }]);
    const forced = await issuing.claimed(issuer);
    const second = await rotate(forced.tokenId);
    const { body } = await claim(forced.tokenId, { rotationId: second });
    await issuing.steer({ tokenId: forced.tokenId, rotationId: second, command: 'force', by, reason: 'x' });
    expect((await tap.next('token.retired', (data) => data.rotationId === second)).envelope.data).toMatchObject({ generation: 1, code: 'forced' });
    await until(async () => (await codeOf(forced.secret)) === 'REVOKED', 'the end of the old secret', 1_000);
    expect(await codeOf(body.secret)).toBe('VALID');
  });
});

describe('a secret in its grace', () => {
  it('keeps its end when a further rotation is stopped (G7)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const first = await rotate(tokenId);
    await codeOf((await claim(tokenId, { rotationId: first })).body.secret);
    await tap.next('token.rotated', (data) => data.rotationId === first && data.stage === 'used');
    await issuing.bench.database('issuer').query(`UPDATE generation SET last_used_at = 'infinity' WHERE token_id = $1 AND generation = 1`, [tokenId]);
    const second = await rotate(tokenId);
    await issuing.steer({ tokenId, rotationId: second, command: 'stop', by: issuing.person('root'), reason: 'x' });
    await tap.next('token.retired', (data) => data.rotationId === second);
    expect(await endsOf(tokenId)).toEqual([{ generation: 1, retires_at: expect.any(Date) }, { generation: 2, retires_at: null }]);
  });

  it('ends in time beside any number of first secrets that nobody claimed (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const sql = issuing.bench.database('issuer');
    await sql.query(`CREATE TABLE unclaimed AS SELECT 'tok_' || lpad(n::text, 26, '0') AS token_id FROM generate_series(1, 300) n`);
    await sql.query(`INSERT INTO token SELECT (json_populate_record(t, json_build_object('token_id', u.token_id, 'request_id', u.token_id, 'state', 'issued', 'ends_at', now() + interval '1 day'))).* FROM token t, unclaimed u WHERE t.token_id = $1`, [tokenId]);
    await sql.query(`INSERT INTO generation (token_id, generation, state, claim_before) SELECT token_id, 1, 'claimable', now() - interval '1 hour' FROM unclaimed`);
    const rotationId = await rotate(tokenId, { deadlineMs: 1_000 });
    await claim(tokenId, { rotationId });
    expect((await tap.next('token.retired', (data) => data.rotationId === rotationId)).envelope.data).toMatchObject({ generation: 1, code: 'deadline' });
    await until(async () => (await codeOf(secret)) === 'REVOKED', 'the end of the old secret', 1_000);
    expect(await (await fetch(`${issuer.url}/metrics`)).text()).toMatch(/writ_retirements_due\{[^}]*\} 0/);
    await sql.query('DELETE FROM generation g USING unclaimed u WHERE g.token_id = u.token_id');
    await sql.query('DELETE FROM token t USING unclaimed u WHERE t.token_id = u.token_id');
    await sql.query('DROP TABLE unclaimed');
  });
});

describe('whoever was locked out', () => {
  it('gets in again by a further rotation: an emergency’s successor that nobody claimed is not the last (G7)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const lost = await rotate(tokenId, { cause: 'emergency', claimMs: 300 });
    await tap.next('token.retired', (data) => data.rotationId === lost && data.generation === 2 && data.code === 'unclaimed');
    expect(await codeOf(secret)).toBe('REVOKED');
    expect((await claim(tokenId, { rotationId: lost })).body.code).toBe('secret-retired');
    const rotationId = await rotate(tokenId);
    expect(aloneIn(rotationId)).toBe(true); // Who waits for the end of an old secret would wait for ever.
    const { status, body } = await claim(tokenId, { rotationId });
    expect([status, body.generation]).toEqual([201, 3]);
    expect(await codeOf(body.secret)).toBe('VALID');
    await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'used');
    expect([await codeOf(secret), await codeOf(body.secret)]).toEqual(['REVOKED', 'VALID']);
    expect(aloneIn(await rotate(tokenId))).toBeUndefined();
  });

  it('gets one living successor, however many emergencies there were before a claim (G7)', async () => {
    const { tokenId } = await issuing.claimed(issuer);
    const first = await rotate(tokenId, { cause: 'emergency' });
    const second = await rotate(tokenId, { cause: 'emergency' });
    expect((await claim(tokenId, { rotationId: first })).body.code).toBe('secret-retired');
    const { body } = await claim(tokenId, { rotationId: second });
    expect(await codeOf(body.secret)).toBe('VALID');
  });
});

describe('an incident', () => {
  const proposal = (tokenId: string, action: MisuseAction, more: object = {}) => {
    const alertId = makeId('alr', Date.now(), randomBytes(10));
    const now = Math.floor(Date.now() / 1000);
    return {
      alertId, tokenId: tokenId as never, detector: 'burst', action, explanation: 'x', observedAt: inMs(0),
      statement: signStatement(issuing.bench.signingKey('monitor'), 'proposal', { iat: now, exp: now + 60, alertId, tokenId, action, ...more }),
    };
  };
  const used = async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    await codeOf(secret);
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM token WHERE token_id = $1 AND last_used_at IS NOT NULL', [tokenId])).length > 0, 'its use to be known');
    return { tokenId, secret };
  };

  it('that the monitor proposes suspends a token that was used, and nothing that was not (G10)', async () => {
    const { tokenId, secret } = await used();
    const idle = await issuing.claimed(issuer);
    await issuing.bench.bus.say('monitor', 'misuse.detected', proposal(idle.tokenId, 'suspend'));
    await issuing.bench.bus.say('monitor', 'misuse.detected', proposal(tokenId, 'suspend'));
    expect((await tap.next('token.suspended', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ code: 'burst', by: { kind: 'monitor' } });
    await until(async () => (await codeOf(secret)) === 'SUSPENDED', 'the refusal', 1_000);
    expect(await codeOf(idle.secret)).toBe('VALID');
  });

  it('that nobody signed as it is suspends nothing (G10)', async () => {
    const { tokenId, secret } = await used();
    await issuing.bench.bus.say('monitor', 'misuse.detected', { ...proposal(tokenId, 'note'), action: 'suspend' });
    await until(async () => (await issuing.bench.database('issuer').query(`SELECT 1 FROM inbox_waiting WHERE last_error LIKE '%something else%'`)).length > 0, 'the refusal to be stored');
    expect(await codeOf(secret)).toBe('VALID');
    await issuing.bench.database('issuer').query('DELETE FROM inbox_waiting');
  });

  it('of which there are too many at once stops at the owner’s breaker (G10)', async () => {
    const tokens = [];
    for (let i = 0; i < 7; i++) tokens.push(await issuing.claimed(issuer, { requester: 'busy' }));
    for (const { secret } of tokens) await codeOf(secret);
    await until(async () => (await issuing.bench.database('issuer').query(`SELECT 1 FROM token WHERE owner_id = 'busy' AND last_used_at IS NOT NULL`)).length === 7, 'their uses to be known');
    const proposals = tokens.map(({ tokenId }) => proposal(tokenId, 'suspend'));
    // As the messages of one batch are: side by side, in one transaction.
    await issuer.app.get(Transactions<'issuer'>).run((tx) => Promise.all(proposals.map(({ alertId, tokenId }) =>
      issuer.app.get(Incidents).act(tx, { alertId, tokenId, action: 'suspend', by: { kind: 'monitor' }, code: 'burst' }))));
    const states = await issuing.bench.database('issuer').query<{ state: string }>(`SELECT state FROM token WHERE owner_id = 'busy' AND state = 'suspended'`);
    expect(states).toHaveLength(5);
    const { envelope: { data } } = await tap.next('stop.blocked', ({ code }) => code === 'owner-breaker');
    // Once the breaker has closed the same proposal may come again; one that was acted upon may not.
    await issuing.bench.database('issuer').query(`UPDATE automatic_stop SET at = at - interval '2 hours' WHERE owner_id = 'busy'`);
    const lifted = proposals[0] as (typeof proposals)[number];
    await issuing.post(issuer, `/v1/tokens/${lifted.tokenId}/resume`, { reason: 'mine' }, await issuing.bearer('busy'));
    for (const each of proposals) if (each === lifted || each.alertId === data.alertId) await issuing.bench.bus.say('monitor', 'misuse.detected', each);
    await tap.next('token.suspended', ({ tokenId }) => tokenId === data.tokenId);
    expect((await issuing.bench.database('issuer').query(`SELECT 1 FROM token WHERE token_id = $1 AND state = 'active'`, [lifted.tokenId]))).toHaveLength(1);
  });

  it('of which there are too many in the whole fleet stops at its breaker, whosever the token is (G10)', async () => {
    const { tokenId } = await used();
    const database = issuing.bench.database('issuer');
    const stopped = (count: number) => database.query(`INSERT INTO automatic_stop (alert_id, token_id, owner_id, outcome) SELECT 'fleet-' || i, 'x', 'fleet-' || i, 'stopped' FROM generate_series(1, $1) i`, [count]);
    await stopped(50);
    const { alertId, ...more } = proposal(tokenId, 'suspend');
    await issuing.bench.bus.say('monitor', 'misuse.detected', { alertId, ...more });
    await tap.next('stop.blocked', (data) => data.alertId === alertId && data.code === 'fleet-breaker');
    expect(await database.query(`SELECT 1 FROM token WHERE token_id = $1 AND state = 'active'`, [tokenId])).toHaveLength(1);
    await database.query(`DELETE FROM automatic_stop WHERE owner_id LIKE 'fleet-%'`);
    await issuing.bench.bus.say('monitor', 'misuse.detected', { alertId, ...more });
    await tap.next('token.suspended', (data) => data.tokenId === tokenId);
  });

  it('of a leak revokes by the inner digest', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const reportId = makeId('rep', Date.now(), randomBytes(10));
    const digest = innerDigest(secret).toString('base64url');
    const statement = signStatement(issuing.bench.signingKey('monitor'), 'leak', { iat: Math.floor(Date.now() / 1000), reportId, innerDigest: digest });
    const reportedAt = inMs(-5_000);
    await issuing.bench.bus.say('monitor', 'leak.reported', { reportId, innerDigest: digest, channel: 'github', reportedAt, statement });
    expect((await tap.next('token.revoked', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ code: 'leaked', by: { kind: 'leak' } });
    await until(async () => (await codeOf(secret)) === 'REVOKED', 'the refusal', 1_000);
    const { envelope: { data } } = await tap.next('stop.confirmed', (d) => d.tokenId === tokenId);
    expect(data).toMatchObject({ code: 'leaked', cause: reportId, reportedAt, acknowledged: 1, fenced: 0 });
    expect(Date.parse(String(data.refusedAt))).toBeGreaterThanOrEqual(Date.parse(String(data.stoppedAt)));
  });
});
