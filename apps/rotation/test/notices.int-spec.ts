import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from 'pg';
import { Webhook } from 'standardwebhooks';
import type { RotationId, TokenId } from '@writ/contracts';
import { startService, type Service } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { RotationConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { RotationModule } from '../src/rotation.module.js';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const received: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
const tokenId = 'tok_00000000000000000000000001' as TokenId;
const owner = { id: 'svc:a', team: 'orders' };
let bench: TestBench;
const services: Service[] = [];
let env: NodeJS.ProcessEnv;
let receiver: Server;
let isDown = true;

beforeAll(async () => {
  bench = await TestBench.create();
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => {
      if (isDown) return response.writeHead(503).end();
      received.push({ path: String(request.url), headers: request.headers, body });
      return response.end('ok');
    });
  });
  await new Promise<void>((resolve) => { receiver.listen(0, '127.0.0.1', resolve); });
  const address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const webhooks = [
    { name: 'ops', url: `${address}/ops`, secret, allowPrivate: true },
    { name: 'chat', url: `${address}/chat`, secret, kind: 'slack', hears: ['token.orphaned'], allowPrivate: true },
    { name: 'billing', url: `${address}/billing`, secret, teams: ['billing'], allowPrivate: true },
    { name: 'inside', url: `${address}/inside`, secret },
  ];
  env = await bench.env('rotation', migrations, { WRIT_TICK_MS: '50', WRIT_WEBHOOKS: JSON.stringify(webhooks) });
  await start();
});
afterAll(async () => {
  await stop();
  await bench?.drop();
  await new Promise((resolve) => { receiver.close(resolve); });
});

const start = async (more: Record<string, string> = {}) => {
  services.push(await startService({ name: 'rotation', module: RotationModule, config: RotationConfig, env: { ...env, ...more } }));
};
const stop = () => Promise.all(services.splice(0).map((service) => service.close()));
const rows = (sql: string, values: unknown[] = []) => bench.database('rotation').query(sql, values);
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
const about = (path: string, type: string) => until(() => received.find((one) => one.path === path && one.body.includes(type)), `${type} at ${path}`);

it('what will soon stop working is told by signed webhooks, once each, also after the receiver was away', async () => {
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: 'req_00000000000000000000000001' as never, owner, claimant: { iss: 'x', sub: 'alice' }, resource: 'orders', audience: 'orders', scopes: ['orders:read'], environment: 'prod',
    issuedAt: inSeconds(-40 * 86_400), expiresAt: inSeconds(5 * 86_400), delivery: { mode: 'claim' },
  });
  await bench.bus.say('issuer', 'token.orphaned', { tokenId, requestId: 'req_00000000000000000000000001' as never, owner, endsAt: inSeconds(86_400) });
  const failed = () => rows(`SELECT 1 FROM notice WHERE attempts = 1 AND last_error LIKE '%503%'`);
  await until(async () => (await failed()).length === 3, 'all to fail once');
  expect((await rows(`SELECT last_error FROM notice WHERE endpoint = 'inside'`)).every(({ last_error }) => last_error === 'the address is not https')).toBe(true);
  isDown = false;
  await rows('UPDATE notice SET next_at = now()');
  const expiring = await about('/ops', 'token.expiring');
  expect(new Webhook(secret).verify(expiring.body, expiring.headers as Record<string, string>)).toMatchObject({ type: 'token.expiring', data: { tokenId, owner, leadTime: 'P7D' } });
  await about('/ops', 'token.orphaned');
  expect(JSON.parse((await about('/chat', tokenId)).body)).toEqual({ text: expect.stringContaining('writ transfer') });
  await until(async () => (await rows(`SELECT 1 FROM notice WHERE endpoint <> 'inside'`)).length === 0, 'all to be carried out');
  expect(received.map(({ path }) => path).sort()).toEqual(['/chat', '/ops', '/ops']);
});

it('an owner whose next secret nobody claimed is told, and whether it comes again', async () => {
  const rotationId = 'rot_00000000000000000000000001' as RotationId;
  await rows(`INSERT INTO rotation (rotation_id, token_id, cause, started_at, deadline_at, claim_before, generation, claimable_at) VALUES ($1, $2, 'requested', now(), now(), now(), 2, now())`, [rotationId, tokenId]);
  await bench.bus.say('issuer', 'token.retired', { tokenId, rotationId, generation: 2, code: 'unclaimed', seq: 3 });
  const { body, headers } = await about('/ops', 'rotation.lapsed');
  const said = new Webhook(secret).verify(body, headers as Record<string, string>) as { data: object };
  expect(said).toMatchObject({ type: 'rotation.lapsed', data: { tokenId, rotationId, owner } });
  expect(said.data).not.toHaveProperty('againAt');
});

const idOf = (n: number) => `tok_${String(n).padStart(26, '0')}` as TokenId;
const issue = (n: number, days: number) => bench.bus.say('issuer', 'token.issued', {
  tokenId: idOf(n), requestId: `req_${String(n).padStart(26, '0')}` as never, owner, claimant: { iss: 'x', sub: 'alice' }, resource: 'orders', audience: 'orders', scopes: ['orders:read'], environment: 'prod',
  issuedAt: inSeconds(-40 * 86_400), expiresAt: inSeconds(days * 86_400), delivery: { mode: 'claim' },
});
const nothingYet = (n: number) => until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND notice_at > now()', [idOf(n)])).length === 1, 'the one of which there is nothing to say yet');

it('lead times that change while somebody looks for what is due are those that owners are told by', async () => {
  const tap = await bench.bus.tap();
  await issue(5, 80);
  await nothingYet(5);
  const [{ leads }] = await rows('SELECT leads FROM notice_plan') as [{ leads: number[] }];
  const planner = new Client({ connectionString: bench.database('rotation').adminUrl });
  await planner.connect();
  try {
    await planner.query('BEGIN');
    await planner.query('LOCK TABLE token IN ACCESS EXCLUSIVE MODE');
    await until(async () => (await rows(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%notice_at <= now()%'`)).length > 0, 'the look to wait');
    await planner.query('UPDATE notice_plan SET leads = $1', [[...leads, 90 * 86_400]]);
    await planner.query('UPDATE token SET notice_at = now() WHERE token_id = $1', [idOf(5)]);
    await planner.query('COMMIT');
  } finally {
    await planner.end();
  }
  expect((await tap.next('token.expiring', (data) => data.tokenId === idOf(5))).envelope.data.leadTime).toBe('P90D');
  await rows('UPDATE notice_plan SET leads = $1', [leads]);
  await rows('DELETE FROM token WHERE token_id = $1', [idOf(5)]);
});

it('lead times that the operator changes hold for the tokens that are there too, and nothing is told twice', async () => {
  const tap = await bench.bus.tap();
  const told = (n: number) => tap.ofType('token.expiring').filter(({ envelope: { data } }) => data.tokenId === idOf(n)).map(({ envelope: { data } }) => data.leadTime);
  await Promise.all([issue(2, 29), issue(3, 80), issue(4, 20)]);
  await until(() => told(2).length === 1 && told(4).length === 1, 'the notices a month ahead');
  await nothingYet(3);
  await start({ WRIT_EXPIRY_NOTICES: 'P90D,P30D,P25D,PT1H' }); // Whichever of the two tells, it is by the new ones.
  await until(() => told(3).length === 1 && told(4).length === 2, 'what is to be said by the new lead times');
  await stop();
  await start({ WRIT_EXPIRY_NOTICES: 'P60D,P30D', WRIT_DUE_BATCH: '1' });
  await until(async () => (await rows(`SELECT 1 FROM notice_plan WHERE leads = '{2592000,5184000}' AND reached IS NULL`)).length === 1, 'all tokens to be planned');
  expect(await rows('SELECT token_id FROM token WHERE notice_at IS NOT NULL')).toEqual([{ token_id: idOf(3) }]);
  expect([told(2), told(3), told(4)]).toEqual([['P30D'], ['P90D'], ['P30D', 'P25D']]);
});
