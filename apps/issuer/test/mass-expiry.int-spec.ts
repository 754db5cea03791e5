import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { Issuing } from './issuing.js';

const env = { WRIT_OUTBOX_LIMIT: '20' };
let issuing: Issuing;
let issuer: Service;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start(env);
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const rows = (sql: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(sql, values);
const metric = async () => Number(/writ_expiries_due\{[^}]*\} (\d+)/.exec(await (await fetch(`${issuer.url}/metrics`)).text())?.[1]);

it('"mass expiry takes the service down" (vault#2515, vault#7373): ours is refused at every door on the second, told when there is room for it, and how much waits is shown (G6, G11)', async () => {
  const gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  const codeOf = async (token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, gateway)).body.code;
  const { tokenId, secret } = await issuing.claimed(issuer, { ttl: 'PT3S' });
  // More waits to be published than work that can wait may add to, and less than holds writers back.
  await rows(`WITH kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body) SELECT 'waiting-' || n, 'writ.events', 'x', 'x', '{}' FROM generate_series(1, 15) n RETURNING id)
              INSERT INTO outbox_unsent (id, next_at) SELECT id, 'infinity' FROM kept`);
  await until(async () => (await codeOf(secret)) === 'EXPIRED', 'the refusal');
  expect((await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens: [{ token: secret }] }, gateway)).body.results[0]?.code).toBe('EXPIRED');
  expect((await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway)).body).toEqual({ active: false });
  expect((await issuing.get(issuer, '/v1/forward-auth', { 'x-writ-gateway-authorization': gateway.authorization as string, authorization: `Bearer ${secret}` })).status).toBe(401);
  const root = await issuing.bearer('root', ['admins']);
  for (const [act, body, who] of [['claim', {}, await issuing.bearer('alice')], ['transfer', { to: 'carol', reason: 'x' }, root]] as const) {
    expect([act, (await issuing.post(issuer, `/v1/tokens/${tokenId}/${act}`, body, who)).body.code]).toEqual([act, 'token-ended']);
  }
  await until(async () => (await metric()) === 1, 'the metric to show it');
  const { tokenId: another } = await issuing.issued(); // Writers go on.
  expect(await rows('SELECT state FROM token WHERE token_id = $1', [tokenId])).toEqual([{ state: 'active' }]);
  await rows(`DELETE FROM outbox_unsent WHERE next_at = 'infinity'`);
  await tap.next('token.expired', (data) => data.tokenId === tokenId);
  expect(await metric()).toBe(0);
  expect(another).not.toBe(tokenId);
});

it('a replica that only answers says at once what the others did, and leaves their work to them (G4, G6, G11)', async () => {
  const gateway = await issuing.registerGateway(issuer, 'orders-answers', ['orders']);
  const answers = await issuing.start({ WRIT_DUTIES: 'answers' });
  const codeOf = async (token: string) => (await issuing.post(answers, '/v1/tokens/verify', { token }, gateway)).body.code;
  const [stopped, ending] = [await issuing.claimed(issuer, { ttl: 'PT1H' }), await issuing.claimed(issuer, { ttl: 'PT3S' })];
  expect([await codeOf(stopped.secret), await codeOf(ending.secret)]).toEqual(['VALID', 'VALID']);
  await issuing.post(issuer, `/v1/tokens/${stopped.tokenId}/revoke`, { reason: 'over' }, await issuing.bearer('root', ['admins']));
  expect(await codeOf(stopped.secret)).toBe('REVOKED');
  await issuing.stop(issuer);
  const request = issuing.submission();
  await issuing.bench.bus.say('request', 'request.submitted', request);
  await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
  const isOver = async () => (await rows(`SELECT ends_at < now() - interval '2 seconds' AS over FROM token WHERE token_id = $1`, [ending.tokenId]))[0]?.over === true;
  await until(isOver, 'the end of the token');
  expect(await codeOf(ending.secret)).toBe('EXPIRED');
  expect(await rows('SELECT state FROM token WHERE token_id = $1', [ending.tokenId])).toEqual([{ state: 'active' }]);
  expect(await rows('SELECT 1 FROM token WHERE request_id = $1', [request.requestId])).toEqual([]);
  await issuing.stop(answers);
  issuer = await issuing.start(env);
  await tap.next('token.expired', ({ tokenId }) => tokenId === ending.tokenId);
  await tap.next('token.issued', ({ requestId }) => requestId === request.requestId);
});

it('thousands that end at once are told while verification answers, and what is left is shown truly, also where it is too much to count (G6, G11)', async () => {
  const gateway = await issuing.registerGateway(issuer, 'orders-mass', ['orders']);
  const { tokenId, secret } = await issuing.claimed(issuer, { ttl: 'PT1H' });
  await rows(`WITH kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body) SELECT 'holding-' || n, 'writ.events', 'x', 'x', '{}' FROM generate_series(1, 15) n RETURNING id)
              INSERT INTO outbox_unsent (id, next_at) SELECT id, 'infinity' FROM kept`);
  await until(async () => Number(/writ_outbox_unsent\{[^}]*\} (\d+)/.exec(await (await fetch(`${issuer.url}/metrics`)).text())?.[1]) >= 15, 'the service to see what waits');
  await rows(
    `INSERT INTO token SELECT (jsonb_populate_record(t, jsonb_build_object('token_id', 'tok_' || lpad(n::text, 26, '0'), 'request_id', 'req_' || lpad(n::text, 26, '0'),
       'owner_id', 'mass-' || n % 5, 'ends_at', now() - interval '1 minute', 'expires_at', now() - interval '1 minute'))).* FROM token t, generate_series(1, 15000) n WHERE t.token_id = $1`, [tokenId],
  );
  await rows('ANALYZE token');
  const shown = await metric();
  expect(shown).toBeGreaterThan(13_000);
  expect(shown).toBeLessThan(17_000);
  await rows(`DELETE FROM token WHERE owner_id IN ('mass-1', 'mass-2', 'mass-3', 'mass-4')`);
  expect(await metric()).toBe(3_000);
  await rows(`DELETE FROM outbox_unsent WHERE next_at = 'infinity'`);
  const progress: number[] = [];
  while ((progress.at(-1) ?? 1) > 0) {
    expect((await issuing.post(issuer, '/v1/tokens/verify', { token: secret }, gateway)).body.code).toBe('VALID');
    progress.push(await metric());
  }
  expect(progress.some((left) => left > 0 && left < 3_000)).toBe(true);
  expect(progress).toEqual([...progress].sort((a, b) => b - a));
  expect(await rows(`SELECT state, count(*)::int AS n FROM token WHERE owner_id = 'mass-0' GROUP BY state`)).toEqual([{ state: 'expired', n: 3_000 }]);
});
