import { firstValueFrom } from 'rxjs';
import { ClientProxyFactory, RmqRecordBuilder, Transport, type ClientProxy } from '@nestjs/microservices';
import { connect } from 'amqplib';
import { queues, vhosts } from '@writ/contracts';
import { servicePermissions } from '@writ/messaging';
import type { Service } from '@writ/service';
import { backingUrls, until } from '@writ/testing';
import { innerDigest } from '@writ/token';
import { Issuing, type Body } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let client: ClientProxy;
let user: string;

const ask = (pattern: string, data: object, userId: string | undefined = user) =>
  firstValueFrom(client.send<Pick<Body, 'code' | 'results'>>(pattern, new RmqRecordBuilder(data).setOptions(userId === undefined ? {} : { userId } as never).build()));

beforeAll(async () => {
  issuing = await Issuing.create();
  const url = issuing.bench.bus.adminUrl();
  user = new URL(backingUrls().amqp).username;
  issuer = await issuing.start({ WRIT_RPC_BROKER_URL: url });
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
