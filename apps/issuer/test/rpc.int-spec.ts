import { randomBytes } from 'node:crypto';
import { firstValueFrom } from 'rxjs';
import { ClientProxyFactory, RmqRecordBuilder, Transport, type ClientProxy } from '@nestjs/microservices';
import { connect } from 'amqplib';
import { queues, vhosts } from '@writ/contracts';
import { servicePermissions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { backingUrls, uniqueName, until } from '@writ/testing';
import { innerDigest } from '@writ/token';
import { Issuing, type Body } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let client: ClientProxy;
let user: string;

const ask = (pattern: string, data: object, userId: string | undefined = user) =>
  firstValueFrom(client.send<Pick<Body, 'code' | 'results'>>(pattern, new RmqRecordBuilder(data).setOptions(userId === undefined ? {} : { userId } as never).build()));

interface Reply { response?: { code: string }; err?: { code: string; retryAfterMs?: number } }

/** A gateway of its own that asks without waiting, and keeps what it hears. */
async function crowd(name: string): Promise<{ heard: Reply[]; askTimes(count: number): void; close(): Promise<void> }> {
  const connection = await connect(await issuing.bench.bus.addGateway(name));
  await issuing.post(issuer, '/v1/gateways', { name, audiences: ['orders'], brokerUser: name }, await issuing.bearer('root', ['admins']));
  const channel = await connection.createChannel();
  const heard: Reply[] = [];
  await channel.consume('amq.rabbitmq.reply-to', (message) => { if (message) heard.push(JSON.parse(message.content.toString()) as Reply); }, { noAck: true });
  return {
    heard, close: () => connection.close(),
    askTimes(count) {
      for (let i = 0; i < count; i += 1) {
        const data = { digest: randomBytes(32).toString('base64url') };
        channel.sendToQueue(queues.rpc, Buffer.from(JSON.stringify({ pattern: 'token.verify', data, id: i })), { correlationId: String(i), replyTo: 'amq.rabbitmq.reply-to', userId: name });
      }
    },
  };
}

beforeAll(async () => {
  issuing = await Issuing.create();
  const url = issuing.bench.bus.adminUrl();
  user = new URL(backingUrls().amqp).username;
  issuer = await issuing.start({ WRIT_RPC_BROKER_URL: url, WRIT_RPC_PER_SECOND: '200' });
  await issuing.post(issuer, '/v1/gateways', { name: 'amqp-api', audiences: ['orders'], brokerUser: user }, await issuing.bearer('root', ['admins']));
  client = ClientProxyFactory.create({ transport: Transport.RMQ, options: { urls: [url], queue: queues.rpc, noAssert: true } });
});
afterAll(async () => {
  await client?.close();
  await issuing?.drop();
});

describe('verification over AMQP', () => {
  it('answers a plain Nest ClientProxy as HTTP answers', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    expect(await ask('token.verify', { token: secret, scopes: ['orders:read'] })).toMatchObject({ valid: true, code: 'VALID', tokenId, asOf: expect.any(String), seq: expect.any(Number) });
    const batch = await ask('token.verify-batch', { tokens: [{ digest: innerDigest(secret).toString('base64url') }, { token: 'junk' }] });
    expect(batch.results.map(({ code }: { code: string }) => code)).toEqual(['VALID', 'MALFORMED']);
    for (const result of batch.results) expect(result).toMatchObject({ asOf: expect.any(String), seq: expect.any(Number), maxStalenessMs: expect.any(Number) });
    expect(await ask('token.verify', { token: secret, minSeq: 1_000_000 })).toMatchObject({ valid: false, code: 'STALE' });
    expect((await ask('token.verify-batch', { tokens: [{ token: secret }], minSeq: 1_000_000 })).results).toMatchObject([{ valid: false, code: 'STALE' }]);
  });

  it('checks networks, and tells a token above its rate "later", as HTTP does (G10, G11)', async () => {
    const { secret } = await issuing.claimed(issuer, {}, { ratePerMinute: 20, networks: ['192.0.2.0/24'] });
    const codeFrom = async (address?: string) => (await ask('token.verify', { token: secret, address })).code;
    expect([await codeFrom(), await codeFrom('198.51.100.1'), await codeFrom('192.0.2.7'), await codeFrom('::ffff:c000:207')]).toEqual(['WRONG_NETWORK', 'WRONG_NETWORK', 'VALID', 'VALID']);
    expect(await ask('token.verify', { token: secret, address: '192.0.2.7' })).toMatchObject({ valid: false, code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) });
  });

  it('goes on when its queue is gone, as after a restart of the broker', async () => {
    const broker = await connect(issuing.bench.bus.adminUrl());
    const channel = await broker.createChannel();
    await channel.deleteQueue(queues.rpc);
    expect(servicePermissions().permissions).toContainEqual(expect.objectContaining({ user: 'writ-issuer', vhost: vhosts.rpc, configure: '^(writ\\.issuer\\.rpc)$' }));
    await until(async () => (await broker.createChannel().then((each) => { each.on('error', () => undefined); return each.checkQueue(queues.rpc); }).catch(() => undefined))?.consumerCount === 1, 'the queue to be there again');
    await broker.close();
    expect(await ask('token.verify-batch', { tokens: [{ token: 'junk' }] })).toMatchObject({ results: [{ code: 'MALFORMED' }] });
  });

  it('refuses whoever does not carry a broker user that is a gateway’s, without an echo (G10)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const nobody = firstValueFrom(client.send('token.verify', { token: secret }));
    await expect(nobody).rejects.toMatchObject({ code: 'not-authenticated' });
    await expect(ask('token.mint', {})).rejects.toMatchObject({ code: 'not-found' });
    const wrong = await ask('token.verify', { token: secret, more: 1 }).catch((error: unknown) => error);
    expect(wrong).toMatchObject({ code: 'invalid-body' });
    expect(JSON.stringify(wrong)).not.toContain(secret.slice(10, 30));
  });
});

describe('a gateway that asks too much over AMQP', () => {
  it('is told to wait, each time, and keeps no other from its answer (G11)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const flooder = await crowd(uniqueName('flooder'));
    flooder.askTimes(4_000);
    expect(await ask('token.verify', { token: secret })).toMatchObject({ code: 'VALID' });
    await until(() => flooder.heard.length === 4_000, 'an answer to each question');
    const late = flooder.heard.filter(({ err }) => err?.code === 'rate-limited');
    expect(late.length).toBeGreaterThan(1_000);
    expect(late.every(({ err }) => Number(err?.retryAfterMs) > 0)).toBe(true);
    await flooder.close();
  });

  it('about what only the database knows has at most half of what is in work, which is bounded (G11)', async () => {
    const [one, other, last] = [await crowd(uniqueName('slow')), await crowd(uniqueName('slow')), await crowd(uniqueName('last'))];
    const database = issuing.bench.database('issuer');
    await database.query('BEGIN');
    await database.query('LOCK TABLE secret IN ACCESS EXCLUSIVE MODE');
    for (const gateway of [one, other]) {
      gateway.askTimes(300);
      await until(() => gateway.heard.length === 44, 'what is too much to be refused');
    }
    last.askTimes(1);
    await until(() => last.heard.length === 1, 'all places to be taken');
    expect([one, other, last].flatMap(({ heard }) => heard.map(({ err }) => [err?.code, err?.retryAfterMs]))).toEqual(Array.from({ length: 89 }, () => ['later', 1_000]));
    await database.query('ROLLBACK');
    await until(() => one.heard.length === 300 && other.heard.length === 300, 'all answers');
    expect(one.heard.filter(({ response }) => response)).toHaveLength(256);
    for (const gateway of [one, other, last]) await gateway.close();
  });
});

describe('the routes before any framework', () => {
  it('are in the OpenAPI document, and answer under every spelling of their address', async () => {
    const document = await issuing.get(issuer, '/openapi.json');
    expect(Object.keys(document.body.paths)).toEqual(expect.arrayContaining(['/v1/tokens/verify', '/oauth2/introspect', '/v1/tokens/verify-batch', '/v1/tokens/{tokenId}/claim']));
    for (const path of ['/v1/tokens/verify', '/v1/tokens/verify?x=1']) expect((await issuing.post(issuer, path, { token: 'junk' })).status).toBe(401);
    const { secret } = await issuing.claimed(issuer);
    const gateway = await issuing.registerGateway(issuer, 'spelling-api', ['orders']);
    expect((await issuing.post(issuer, '/v1/tokens/verify?x=1', { token: secret }, gateway)).body.code).toBe('VALID');
    expect((await issuing.post(issuer, '/v1/tokens/verify', { token: 'x'.repeat(70_000) }, gateway)).status).toBe(413);
    expect((await issuing.post(issuer, '/v1/tokens/verify', 'token=x', gateway)).status).toBe(415);
    expect((await issuing.get(issuer, '/v1/tokens/verify', gateway)).status).toBe(401);
  });
});
