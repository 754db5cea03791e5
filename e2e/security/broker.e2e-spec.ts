import { connect } from 'amqplib';
import { eventTypes, exchanges, outsideSays, queues, saysOf, services, vhosts, type ServiceName } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { need } from '../platform.js';
import { stolen } from './callers.js';
import { Thief } from './thief.js';

/** AMQP 0-9-1, section 1.1: access-refused and precondition-failed. */
const refused = 403;
const forged = 406;

const thieves = new Map<string, Thief>();
beforeAll(async () => {
  for (const service of services) thieves.set(service, await Thief.of(service));
  thieves.set('upstream', await Thief.withCredentialsOf('dev-upstream'));
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
      ...outsideSays.map((type) => thief.publishes(exchanges.requests, type, {})),
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

it('nobody enters with the account that every broker is born with', async () => {
  const url = new URL(need('WRIT_AMQP_URL'));
  for (const vhost of [...Object.values(vhosts), '/']) {
    Object.assign(url, { username: 'guest', password: 'guest', pathname: `/${encodeURIComponent(vhost)}` });
    await expect(connect(url.href, { timeout: 5_000 })).rejects.toThrow(/ACCESS_REFUSED|ACCESS-REFUSED|403/);
  }
});
