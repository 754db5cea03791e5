import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { eventTypes, exchanges, outsideSays, queues, saysOf, services, submissionKey, vhosts, type ServiceName } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { brokerPlan, provisionBroker } from '../../scripts/platform/broker.mjs';
import { as, entriesOf, freshToken, need, until } from '../platform.js';
import { ask, stolen } from './callers.js';
import { Thief } from './thief.js';

/** AMQP 0-9-1, section 1.1: access-refused and precondition-failed. */
const refused = 403;
const forged = 406;

const thieves = new Map<string, Thief>();
beforeAll(async () => {
  for (const service of services) thieves.set(service, await Thief.of(service));
  thieves.set('upstream', await Thief.withCredentialsOf('dev-upstream'));
  thieves.set('identity', await Thief.withCredentialsOf('dev-identity-system'));
});
afterAll(() => Promise.all([...thieves.values()].map((thief) => thief.close())));
const thiefOf = (name: string) => thieves.get(name) as Thief;

const others = (service: ServiceName) => services.filter((name) => name !== service);

describe.each(services)('the broker credentials of %s', (service) => {
  it('publish no event that is another service’s to say', async () => {
    const foreign = eventTypes.filter((type) => !saysOf(service).includes(type));
    const outcomes = await Promise.all(foreign.map(async (type) => [type, await thiefOf(service).publishes(exchanges.events, type, {})]));
    expect(outcomes).toEqual(foreign.map((type) => [type, refused]));
  });

  it('publish to no queue directly, to no exchange of others, and under no other name', async () => {
    const thief = thiefOf(service);
    const type = saysOf(service)[0] as string;
    expect(await thief.publishes('', queues.events('issuer'), {})).toBe(refused);
    expect(await thief.publishes('amq.topic', 'anything', {})).toBe(refused);
    expect(await thief.publishes('writ.parking', queues.parking('issuer'), {})).toBe(refused);
    expect(await thief.publishes(exchanges.requests, 'token.request', {})).toBe(refused);
    for (const key of outsideSays) expect(await thief.publishes(exchanges.identity, key, {})).toBe(refused);
    if (service !== 'request') expect(await thief.publishes(exchanges.outcomes, 'dev-upstream.token.issued', {})).toBe(refused);
    expect(await thief.publishes(exchanges.events, type, {}, brokerUser(others(service)[0] as ServiceName))).toBe(forged);
  });

  it('read, empty, bind, declare and delete nothing that is not theirs', async () => {
    const foreign = [...others(service).flatMap((name) => [queues.events(name), queues.parking(name)]), ...(service === 'request' ? [] : [queues.submissions])];
    const outcomes = await Promise.all(foreign.flatMap((queue) => [
      thiefOf(service).tries((channel) => channel.get(queue)),
      thiefOf(service).tries((channel) => channel.consume(queue, () => undefined)),
      thiefOf(service).tries((channel) => channel.purgeQueue(queue)),
      thiefOf(service).tries((channel) => channel.deleteQueue(queue)),
    ]));
    expect(new Set(outcomes)).toEqual(new Set([refused]));
    const own = queues.events(service);
    expect(await thiefOf(service).tries((channel) => channel.assertQueue('', { exclusive: true }))).toBe(refused);
    expect(await thiefOf(service).tries((channel) => channel.bindQueue(own, exchanges.events, '#'))).toBe(refused);
    expect(await thiefOf(service).tries((channel) => channel.unbindQueue(own, exchanges.events, 'request.submitted'))).toBe(refused);
    for (const exchange of Object.values(exchanges)) expect(await thiefOf(service).tries((channel) => channel.bindExchange(exchange, 'amq.topic', '#'))).toBe(refused);
    expect(await thiefOf(service).tries((channel) => channel.assertExchange(`${brokerUser(service)}.own`, 'topic'))).toBe(refused);
    expect(await thiefOf(service).tries((channel) => channel.deleteQueue(own))).toBe(refused);
    expect(await thiefOf(service).tries((channel) => channel.deleteExchange(exchanges.events))).toBe(refused);
  });

  it('open no management interface, and the virtual host of RPC only to the issuer', async () => {
    const password = stolen<Record<string, string>>('passwords.json')[brokerUser(service)];
    const { amqpManagementUrl } = stolen<{ amqpManagementUrl: string }>('backing', 'backing.json');
    const answer = await fetch(`${new URL(amqpManagementUrl).origin}/api/definitions`, { headers: { authorization: `Basic ${Buffer.from(`${brokerUser(service)}:${password}`).toString('base64')}` } });
    expect(answer.status).toBe(401);
    const url = new URL(need('WRIT_AMQP_URL'));
    Object.assign(url, { username: brokerUser(service), password, pathname: `/${vhosts.rpc}` });
    const entered = await connect(url.href, { timeout: 5_000 }).then((connection) => connection.close().then(() => true), () => false);
    expect(entered).toBe(service === 'issuer');
  });
});

describe('the broker credentials of an upstream', () => {
  it('publish requests and nothing else', async () => {
    const thief = thiefOf('upstream');
    const outcomes = await Promise.all([
      ...eventTypes.map((type) => thief.publishes(exchanges.events, type, {})),
      ...outsideSays.flatMap((type) => [exchanges.requests, exchanges.identity].map((exchange) => thief.publishes(exchange, type, {}))),
      thief.publishes(exchanges.requests, 'token.anything', {}),
      thief.publishes(exchanges.outcomes, 'dev-upstream.token.issued', {}),
      thief.publishes('', queues.events('issuer'), {}),
    ]);
    expect(new Set(outcomes)).toEqual(new Set([refused]));
    expect(await thief.publishes(exchanges.requests, 'token.request', {}, 'another-upstream')).toBe(forged);
  });

  it('hear their own outcomes and nobody else’s', async () => {
    const hear = (exchange: string, key: string) => thiefOf('upstream').tries(async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, exchange, key);
    });
    expect(await hear(exchanges.outcomes, 'dev-upstream.#')).toBe('done');
    for (const key of ['#', '*.token.issued', 'another.#', 'dev-upstreams.#']) expect([key, await hear(exchanges.outcomes, key)]).toEqual([key, refused]);
    expect(await hear(exchanges.events, 'dev-upstream.#')).toBe(refused);
    for (const service of services) expect(await thiefOf('upstream').tries((channel) => channel.get(queues.events(service)))).toBe(refused);
  });
});

/** That somebody left, in an envelope as an identity system makes it. */
function departure(ownerId: string): object {
  const now = new Date().toISOString();
  return { specversion: '1.0', id: randomUUID(), source: 'urn:hr', type: 'writ.owner.deactivated', time: now, datacontenttype: 'application/json', data: { ownerId, deactivatedAt: now } };
}

describe('the tricks of a broker', () => {
  const own = `dev-upstream.${randomUUID()}`;
  const upstream = () => thiefOf('upstream');
  afterAll(() => upstream().tries(async (channel) => {
    await channel.deleteQueue(own);
    await channel.deleteExchange(own);
  }));

  it('let an upstream bind and dead-letter to nothing but the exchange that it may publish to', async () => {
    expect(await upstream().tries((channel) => channel.assertExchange(own, 'topic'))).toBe('done');
    for (const exchange of [exchanges.events, exchanges.outcomes, exchanges.identity, 'writ.parking']) {
      expect(await upstream().tries((channel) => channel.bindExchange(exchange, own, '#'))).toBe(refused);
      expect(await upstream().tries((channel) => channel.assertQueue(`${own}.dead`, { deadLetterExchange: exchange }))).toBe(refused);
    }
    expect(await upstream().tries((channel) => channel.assertQueue(`${own}.dead`, { deadLetterExchange: '', deadLetterRoutingKey: queues.events('issuer') }))).toBe(refused);
    for (const service of services) expect(await upstream().tries((channel) => channel.bindQueue(queues.events(service), own, '#'))).toBe(refused);
  });

  it('let no upstream say that somebody left: not by a binding, a dead letter or further keys (G10)', async () => {
    const [victim, leaver] = [`svc:victim-${randomUUID()}`, `svc:leaver-${randomUUID()}`];
    const [stays, goes] = await Promise.all([victim, leaver].map((id) => freshToken({ requester: { id, team: 'orders' } })));
    const type = outsideSays[0];
    await upstream().tries(async (channel) => {
      await channel.assertExchange(own, 'topic');
      await channel.bindExchange(exchanges.requests, own, '#');
      await channel.assertQueue(own, { messageTtl: 0, deadLetterExchange: exchanges.requests, deadLetterRoutingKey: type });
      await channel.bindQueue(own, own, 'dead');
    });
    for (const key of [type, 'dead']) expect(await upstream().publishes(own, key, departure(victim))).toBe('done');
    const copied = await upstream().publishes(exchanges.requests, submissionKey, departure(victim), 'dev-upstream', { CC: [type], BCC: [type] });
    expect(['done', refused]).toContain(copied);
    // Whoever may say it is heard, after all that was said before.
    expect(await thiefOf('identity').publishes(exchanges.identity, type, departure(leaver))).toBe('done');
    const orphaned = async (tokenId: string | undefined) => (await as('admin').issuer.get<{ orphanedUntil?: string }>(`/v1/tokens/${tokenId}`)).orphanedUntil;
    await until('the leaver’s token to be offered', () => orphaned(goes?.tokenId));
    expect(await orphaned(stays?.tokenId)).toBeUndefined();
    await until('the log to hold it', async () => (await entriesOf({ type })).length > 0);
    expect(await entriesOf({ type })).toHaveLength(1);
  });
});

describe('the broker credentials of an identity system', () => {
  it('say that somebody left and nothing else, declare nothing and read nothing', async () => {
    const thief = thiefOf('identity');
    const outcomes = await Promise.all([
      thief.publishes(exchanges.identity, 'owner.activated', {}),
      thief.publishes(exchanges.requests, submissionKey, {}),
      ...eventTypes.map((type) => thief.publishes(exchanges.events, type, {})),
      thief.tries((channel) => channel.assertQueue('', { exclusive: true })),
      thief.tries((channel) => channel.assertExchange('dev-identity-system.own', 'topic')),
      ...services.map((service) => thief.tries((channel) => channel.get(queues.events(service)))),
    ]);
    expect(new Set(outcomes)).toEqual(new Set([refused]));
  });
});

it('nobody enters with the account that every broker is born with', async () => {
  const url = new URL(need('WRIT_AMQP_URL'));
  for (const vhost of [...Object.values(vhosts), '/']) {
    Object.assign(url, { username: 'guest', password: 'guest', pathname: `/${encodeURIComponent(vhost)}` });
    await expect(connect(url.href, { timeout: 5_000 })).rejects.toThrow(/ACCESS_REFUSED|ACCESS-REFUSED|403/);
  }
});

it('what left the plan leaves the broker when it is provisioned again, and whoever is in it works on (G10)', async () => {
  const passwords = stolen<Record<string, string>>('passwords.json');
  const gatewayUser = decodeURIComponent(new URL(need('WRIT_GATEWAY_AMQP_URL')).username);
  const { amqpManagementUrl } = stolen<{ amqpManagementUrl: string }>('backing', 'backing.json');
  const { origin, username, password } = new URL(amqpManagementUrl);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const manage = async (method: string, path: string, body?: object) => (await ask(`${origin}/api${path}`, { method, authorization, body })).status;
  const former = `former-${randomUUID()}`;
  const surplus = [
    ['PUT', `/users/${former}`, { password: former, tags: 'writ-plan' }],
    ['PUT', `/permissions/${vhosts.rpc}/writ-policy`, { configure: '.*', write: '.*', read: '.*' }],
    ['PUT', `/permissions/${vhosts.main}/writ-policy`, { configure: '.*', write: '.*', read: '.*' }],
    ['POST', `/bindings/${vhosts.main}/e/${exchanges.events}/q/${queues.events('policy')}`, { routing_key: 'surplus' }],
  ] as const;
  for (const [method, path, body] of surplus) expect(await manage(method, path, body)).toBeLessThan(300);
  expect(await manage('GET', `/bindings/${vhosts.main}/e/${exchanges.events}/q/${queues.events('policy')}/surplus`)).toBe(200);
  await provisionBroker(amqpManagementUrl, brokerPlan({ passwords: (name) => passwords[name] as string, upstreams: ['dev-upstream'], gateways: [gatewayUser], identitySystems: ['dev-identity-system'] }));
  for (const gone of [`/users/${former}`, `/permissions/${vhosts.rpc}/writ-policy`, `/bindings/${vhosts.main}/e/${exchanges.events}/q/${queues.events('policy')}/surplus`]) expect([gone, await manage('GET', gone)]).toEqual([gone, 404]);
  expect(await thiefOf('policy').tries((channel) => channel.get(queues.events('issuer')))).toBe(refused);
  await freshToken();
});
