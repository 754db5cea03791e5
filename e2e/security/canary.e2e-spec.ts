import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { connect, type ChannelModel } from 'amqplib';
import { Redis } from 'ioredis';
import pg from 'pg';
import { basic, serviceNames } from '@writ/client';
import { queues, vhosts, type RotationAnswer } from '@writ/contracts';
import { as, freshToken, need, nobody, until, urls, verify } from '../platform.js';
import { ask, installation, stolen } from './callers.js';

interface Backing { postgresUrl: string; amqpUrl: string; amqpManagementUrl: string; redisUrl: string; postgresData?: string }
const backing = stolen<Backing>('backing', 'backing.json');

/** Every way in which a secret or half of one could stand somewhere. */
function tracesOf(secret: string): string[] {
  const random = secret.split('_')[2] ?? '';
  const half = Math.floor(random.length / 2);
  const forms = [random, random.slice(0, half), random.slice(half)];
  // Base64 of a text depends on where in it the secret begins; three shifts are all there are.
  const shifted = [0, 1, 2].map((shift) => Buffer.from(random.slice(shift)).toString('base64').slice(0, 40));
  // As PostgreSQL shows bytes.
  const hex = forms.map((form) => Buffer.from(form).toString('hex'));
  return [...forms, ...shifted, ...hex];
}

const secrets: string[] = [];
interface Traced { user: string; text: string }
/** Everything that went into an exchange or out of a queue while the secrets lived, by virtual host. */
const heard: Record<string, Traced[]> = {};
const taps: ChannelModel[] = [];

function manage(path: string, method = 'GET', body?: unknown) {
  const { origin, username, password } = new URL(backing.amqpManagementUrl);
  return ask(`${origin}/api${path}`, { method, authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`, body });
}

/** Listens to the broker's own trace: what is published to any exchange, the nameless one among them, and delivered from any queue. */
async function listen(vhost: string): Promise<ChannelModel> {
  const { username } = new URL(backing.amqpManagementUrl);
  expect((await manage(`/permissions/${vhost}/${username}`, 'PUT', { configure: '.*', write: '.*', read: '.*' })).status).toBeLessThan(300);
  const url = new URL(backing.amqpUrl);
  url.pathname = `/${vhost}`;
  const tap = await connect(url.href);
  taps.push(tap);
  const channel = await tap.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.rabbitmq.trace', '#');
  const traced: Traced[] = (heard[vhost] = []);
  await channel.consume(queue, (message) => {
    const { user } = (message?.properties.headers ?? {}) as { user?: string };
    traced.push({ user: String(user), text: `${JSON.stringify(message?.fields)}${JSON.stringify(message?.properties)}${message?.content.toString()}` });
  }, { noAck: true });
  expect((await manage(`/vhosts/${vhost}`, 'PUT', { tracing: true })).status).toBeLessThan(300);
  return tap;
}

let tap: ChannelModel;
beforeAll(async () => {
  tap = await listen(vhosts.main);
  await listen(vhosts.rpc);
  await live();
}, 90_000);
afterAll(async () => {
  for (const vhost of Object.keys(heard)) await manage(`/vhosts/${vhost}`, 'PUT', { tracing: false });
  for (const each of taps) await each.close();
});

/** The whole life of secrets, through every door that takes one, right and wrong. */
async function live(): Promise<void> {
  const requester = as('requester');
  const { tokenId, secret } = await freshToken({ requester: { id: 'svc:e2e-canary', team: 'orders' } });
  secrets.push(secret);
  await verify(secret, ['orders:read']);
  await verify(secret, ['orders:write']);
  const { rotationId } = await until('rotation to know the token', () => requester.rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body: { reason: 'canary' } }).catch(() => undefined));
  await until('the successor', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'claimable');
  const { secret: successor } = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`, { body: { rotationId } });
  secrets.push(successor);
  await verify(successor);
  await wrongDoors(successor);
  await overRpc(successor);
  await ask(`${urls.monitor}/v1/leaks`, { method: 'POST', body: [{ token: successor, type: 'writ', url: 'https://example.com', source: 'content' }] });
  await nobody().issuer.post('/v1/burn', { body: { token: successor } });
  await until('the burn', async () => (await verify(successor)).code === 'REVOKED');
}

async function wrongDoors(secret: string): Promise<void> {
  const credentials = basic(need('WRIT_GATEWAY_CLIENT_ID'), need('WRIT_GATEWAY_CLIENT_SECRET'));
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const path of ['/oauth2/introspect', '/v1/tokens/verify']) await ask(`${urls.issuer}${path}`, { method: 'POST', authorization: credentials, headers: path.startsWith('/oauth2') ? form : {}, body: path.startsWith('/oauth2') ? `token=${secret}` : { token: secret, scopes: [secret], [secret]: secret } });
  await ask(`${urls.issuer}/v1/forward-auth?scope=orders:read&audience=orders`, { authorization: `Bearer ${secret}`, headers: { 'x-writ-gateway-authorization': credentials } });
  for (const service of serviceNames) {
    await ask(`${urls[service]}/v1/nowhere/${secret}?token=${secret}`, { authorization: `Bearer ${secret}` });
    await ask(`${urls[service]}/v1/requests`, { method: 'POST', authorization: `Bearer ${need('WRIT_REQUESTER_TOKEN')}`, body: `{"token":"${secret}"` });
  }
  await ask(`${urls.issuer}/v1/tokens?owner=${secret}&expiringBefore=${secret}`, { authorization: `Bearer ${need('WRIT_ADMIN_TOKEN')}` });
  await ask(`${urls.issuer}/v1/tokens/${secret}`, { authorization: `Bearer ${need('WRIT_ADMIN_TOKEN')}`, headers: { 'idempotency-key': secret } });
}

/** As a gateway asks over AMQP that has no digest to send, and as one asks that is mistaken. */
async function overRpc(secret: string): Promise<void> {
  const broker = await connect(need('WRIT_GATEWAY_AMQP_URL'));
  const channel = await broker.createChannel();
  const userId = decodeURIComponent(new URL(need('WRIT_GATEWAY_AMQP_URL')).username);
  const answers: string[] = [];
  await channel.consume('amq.rabbitmq.reply-to', (message) => { answers.push(String(message?.content)); }, { noAck: true });
  const asked = [{ pattern: 'token.verify', data: { token: secret } }, { pattern: 'token.verify', data: { token: secret, [secret]: secret } }, { pattern: 'token.verify-batch', data: { tokens: [{ token: secret }] } }, { pattern: secret, data: secret }, secret];
  for (const question of asked) channel.sendToQueue(queues.rpc, Buffer.from(JSON.stringify(question)), { replyTo: 'amq.rabbitmq.reply-to', correlationId: 'canary', userId });
  await until('all answers', () => answers.length === asked.length);
  expect(answers.join()).toContain('VALID');
  await broker.close();
}

const foundIn = (text: string) => secrets.flatMap(tracesOf).filter((trace) => text.includes(trace));

it('no row of any database holds a secret or half of one (G3)', async () => {
  let rows = 0;
  for (const service of serviceNames) {
    const url = new URL(backing.postgresUrl);
    url.pathname = `/writ_${service}`;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    const tables = await client.query<{ name: string }>(`SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`);
    for (const { name } of tables.rows) {
      const all = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
      rows += all.rows.length;
      expect([name, foundIn(all.rows.map(({ row }) => row).join('\n'))]).toEqual([name, []]);
    }
    await client.end();
  }
  expect(rows).toBeGreaterThan(100);
}, 60_000);

it('Redis holds none (G3)', async () => {
  const redis = new Redis(backing.redisUrl);
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.getBuffer(key).then((value) => value?.toString('latin1')), hash: (key) => redis.hgetall(key), set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, '0', '-1'), list: (key) => redis.lrange(key, 0, -1), stream: (key) => redis.xrange(key, '-', '+'),
  };
  for (const key of await redis.keys('*')) expect(foundIn(key + JSON.stringify(await read[await redis.type(key)]?.(key)))).toEqual([]);
  await redis.quit();
});

it('nothing that passed through the broker, and no definition of it, holds any (G3)', async () => {
  const said = heard[vhosts.main] ?? [];
  expect(said.length).toBeGreaterThan(10);
  expect(foundIn(said.map(({ text }) => text).join('\n'))).toEqual([]);
  const { status, text } = await manage('/definitions');
  expect(status).toBe(200);
  expect(foundIn(text)).toEqual([]);
});

it('over RPC a secret is in the question of the gateway that has it, in no answer, and stays nowhere (G3)', async () => {
  const traced = heard[vhosts.rpc] ?? [];
  const holding = traced.filter(({ text }) => foundIn(text).length > 0);
  const gatewayUser = decodeURIComponent(new URL(need('WRIT_GATEWAY_AMQP_URL')).username);
  // It was published, and delivered to an issuer: else the trace would prove nothing.
  expect(new Set(holding.map(({ user }) => user))).toEqual(new Set([gatewayUser, 'writ-issuer']));
  expect(holding.filter(({ user, text }) => user === 'writ-issuer' && !text.includes(`"routingKey":"deliver.${queues.rpc}"`))).toEqual([]);
  const left = JSON.parse((await manage(`/queues/${vhosts.rpc}`)).text) as { name: string; messages?: number }[];
  expect(left.filter(({ messages = 0 }) => messages > 0).map(({ name }) => name).filter((name) => !name.startsWith('amq.gen'))).toEqual([]);
});

it.each(serviceNames)('the metrics and health of %s hold none (G3)', async (service) => {
  for (const path of ['/metrics', '/health/ready', '/openapi.json']) expect(foundIn((await ask(`${urls[service]}${path}`)).text)).toEqual([]);
});

/** The database's own user may not enter every folder, so its files may lie elsewhere. */
const folders = [installation, ...(backing.postgresData ? [backing.postgresData] : [])];
/** Files that hold one of the texts, as they are or in any of their forms. Files may come and go meanwhile, which grep says with 2. */
function filesWith(texts: string[]): string[] {
  const { status, error, stdout } = spawnSync('grep', ['-rlasF', '-f', '-', ...folders], { input: texts.join('\n'), encoding: 'utf8', timeout: 60_000 });
  if (error || status === null || status > 2) throw new Error('The search did not come to its end.', { cause: error });
  return stdout.split('\n').filter(Boolean);
}

/** Puts a text where each server keeps what passes through it, on disk. @returns what takes it away again */
async function plant(marker: string): Promise<() => Promise<void>> {
  const database = new pg.Client({ connectionString: backing.postgresUrl });
  await database.connect();
  await database.query(`SELECT pg_logical_emit_message(true, 'canary', $1)`, [marker]);
  await database.end();
  const redis = new Redis(backing.redisUrl);
  await redis.config('SET', 'rdbcompression', 'no');
  await redis.set('canary', marker);
  await redis.call('SAVE');
  const channel = await tap.createConfirmChannel();
  await channel.assertQueue('canary', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  await new Promise((resolve) => channel.sendToQueue('canary', Buffer.from(marker), { persistent: true }, resolve));
  return async () => {
    await channel.deleteQueue('canary');
    await redis.del('canary');
    await redis.quit();
  };
}

it('no file of any server holds any: tables, write-ahead log, Redis dump, queues, logs (G3)', async () => {
  const marker = `canary-${Date.now()}-in-the-mine`;
  const takeAway = await plant(marker);
  try {
    // The search finds what is there, in each store: else it would prove nothing.
    const found = filesWith([marker]);
    for (const store of ['/pg_wal/', '/dump.rdb', '/rabbitmq/']) expect([store, found.some((file) => file.includes(store))]).toEqual([store, true]);
    expect(filesWith([need('WRIT_GATEWAY_CLIENT_ID')])).toContain(join(installation, 'people', 'gateway.json'));
    expect(filesWith(['"level":']).some((file) => file.startsWith(join(installation, 'logs')))).toBe(true);
    expect(filesWith(secrets.flatMap(tracesOf))).toEqual([]);
  } finally {
    await takeAway();
  }
}, 90_000);
