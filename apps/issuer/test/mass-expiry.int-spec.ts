import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let tap: Tap;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_OUTBOX_LIMIT: '20' });
  tap = await issuing.bench.bus.tap();
});
afterAll(async () => {
  await issuing?.drop();
});

const rows = (sql: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(sql, values);
const metric = async () => Number(/writ_expiries_due\{[^}]*\} (\d+)/.exec(await (await fetch(`${issuer.url}/metrics`)).text())?.[1]);

it('"mass expiry takes the service down" (vault#2515, vault#7373): ours is refused on the second, told when there is room for it, and how much waits is shown (G6, G11)', async () => {
  const gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  const codeOf = async (token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, gateway)).body.code;
  const { tokenId, secret } = await issuing.claimed(issuer, { ttl: 'PT3S' });
  // More waits to be published than work that can wait may add to, and less than holds writers back.
  await rows(`WITH kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body) SELECT 'waiting-' || n, 'writ.events', 'x', 'x', '{}' FROM generate_series(1, 15) n RETURNING id)
              INSERT INTO outbox_unsent (id, next_at) SELECT id, 'infinity' FROM kept`);
  await until(async () => (await codeOf(secret)) === 'EXPIRED', 'the refusal');
  await until(async () => (await metric()) === 1, 'the metric to show it');
  const { tokenId: another } = await issuing.issued(); // Writers go on.
  expect(await rows('SELECT state FROM token WHERE token_id = $1', [tokenId])).toEqual([{ state: 'active' }]);
  await rows(`DELETE FROM outbox_unsent WHERE next_at = 'infinity'`);
  await tap.next('token.expired', (data) => data.tokenId === tokenId);
  expect(await metric()).toBe(0);
  expect(another).not.toBe(tokenId);
});
