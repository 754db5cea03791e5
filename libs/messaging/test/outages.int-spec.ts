import { connect, type Channel } from 'amqplib';
import { DataSource } from 'typeorm';
import { contentType, exchanges, queues } from '@writ/contracts';
import { Broker, mainTopology, Publisher, StandingChannel, Transactions } from '@writ/messaging';
import { createLog } from '@writ/service';
import { FaultProxy, TestBench, until } from '@writ/testing';
import { BatchConsumer, type ConsumerOptions } from '../src/consumer.js';
import { OutboxReader } from '../src/outbox-reader.js';

const log = createLog('test', process.env.WRIT_TEST_LOG_LEVEL ?? 'fatal');
const queue = queues.events('policy');
const trust = { ownerId: 'svc:a', team: 'orders', openIncidents: 1, version: 1, code: 'incident-opened', since: '2026-01-01T00:00:00Z' };

let bench: TestBench;
const brokers: Broker[] = [];
const proxies: FaultProxy[] = [];

function broker(url = bench.bus.serviceUrl('policy')): Broker {
  const made = new Broker({ url, name: 'test', log });
  brokers.push(made);
  return made;
}

/** A consumer that takes one message at a time, beside the next one. */
async function consume(handle: ConsumerOptions['handle']): Promise<BatchConsumer> {
  const connection = broker();
  const consumer = new BatchConsumer(connection, { queue, batch: 1, handle, log });
  await connection.open();
  return consumer;
}

async function asAdmin(work: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(bench.bus.adminUrl());
  const channel = await connection.createChannel();
  await work(channel);
  await channel.close(); // A connection's end overtakes what its channels still send.
  await connection.close();
}

beforeAll(async () => {
  bench = await TestBench.create();
});
afterAll(() => bench.drop());
afterEach(async () => {
  for (const each of brokers.splice(0)) await each.close();
  for (const each of proxies.splice(0)) await each.close();
});

describe('a connection', () => {
  it('that is lost while it is set up ends nothing, and is made again', async () => {
    const proxy = await FaultProxy.before(bench.bus.serviceUrl('policy'));
    proxies.push(proxy);
    const connection = broker(proxy.url(bench.bus.serviceUrl('policy')));
    let tries = 0;
    connection.onConnect(async (model) => {
      tries += 1;
      if (tries > 1) return;
      const closed = new Promise((resolve) => model.once('close', resolve));
      proxy.set('down');
      await closed;
      proxy.set('none');
    });
    await connection.open();
    expect([tries, connection.trouble]).toEqual([2, undefined]);
  });
});

/** A method of the class `connection` (AMQP 0-9-1, 4.2.3) on channel 0, as the broker sends it. */
function connectionMethod(method: number, ...shortTexts: string[]): Buffer {
  const payload = Buffer.concat([Buffer.from([0, 10, 0, method]), ...shortTexts.map((text) => Buffer.from([text.length, ...Buffer.from(text)]))]);
  return Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, payload.length]), payload, Buffer.from([0xce])]);
}

describe('a connection that the broker blocks', () => {
  it('publishes nothing, says why, and goes on when it is let go (G11)', async () => {
    const proxy = await FaultProxy.before(bench.bus.serviceUrl('policy'));
    proxies.push(proxy);
    const connection = broker(proxy.url(bench.bus.serviceUrl('policy')));
    const publisher = new Publisher(connection, 'writ-policy', log);
    await connection.open();
    const publish = () => publisher.publish([{ exchange: exchanges.events, routingKey: 'request.lapsed', messageId: 'evt-b', contentType, body: Buffer.from('{}') }]);
    proxy.say(connectionMethod(60, 'low on memory'));
    await until(() => publisher.trouble, 'the trouble');
    expect([publisher.trouble, await publish()]).toEqual(['the broker blocks publishers: low on memory', ['unknown']]);
    proxy.say(connectionMethod(61));
    await until(() => publisher.trouble === undefined, 'the end of it');
    expect(await publish()).toEqual(['stored']);
  });
});

describe('a channel', () => {
  it('that the broker closed is opened and set up again', async () => {
    const connection = broker();
    let setUps = 0;
    const standing = new StandingChannel(connection, { name: 'test', log, open: (model) => model.createChannel(), setUp: () => { setUps += 1; } });
    await connection.open();
    standing.current!.ack({ fields: { deliveryTag: 99 } } as never); // Never delivered: the broker closes the channel for it.
    await until(() => setUps === 2 && standing.current, 'the second channel');
  });

  it('that what is missing keeps closed does not keep the connection from others', async () => {
    const connection = broker();
    const missing = new StandingChannel(connection, { name: 'missing', log, open: (model) => model.createChannel(), setUp: async (channel) => { await channel.checkQueue('no-such-queue'); } });
    await connection.open();
    expect(connection.trouble).toBeUndefined();
    await missing.close();
  });

  it('that the broker closed for one event publishes the others, and says so meanwhile', async () => {
    const connection = broker();
    const publisher = new Publisher(connection, 'writ-policy', log);
    await connection.open();
    const publish = (exchange: string) => publisher.publish([{ exchange, routingKey: 'request.lapsed', messageId: 'evt-a', contentType, body: Buffer.from('{}') }]);
    expect(await publish(exchanges.requests)).toEqual(['unknown']);
    expect(publisher.trouble).toMatch(/closed the channel/);
    await until(() => publisher.trouble === undefined, 'another channel');
    expect(await publish(exchanges.events)).toEqual(['stored']);
  });
});

describe('a consumer', () => {
  it('that stops acknowledges nothing after a batch that failed (G2)', async () => {
    for (let i = 0; i < 2; i++) await bench.bus.say('monitor', 'trust.changed', trust);
    let calls = 0;
    let fail!: () => void;
    const failure = new Promise<never>((_, reject) => { fail = () => reject(new Error('the database is away')); });
    const consumer = await consume(() => (++calls === 1 ? failure : Promise.resolve()));
    await until(async () => calls === 1 && (await bench.bus.depth(queue)) === 0, 'both to be sent ahead');
    const closed = consumer.close();
    fail();
    await closed;
    await until(async () => (await bench.bus.depth(queue)) === 2, 'both to be at the broker again');
    await asAdmin((channel) => channel.purgeQueue(queue));
  });

  it('goes on when its queue was deleted and is there again', async () => {
    const heard: string[] = [];
    const consumer = await consume(async (deliveries) => { heard.push(...deliveries.map(({ body }) => body.toString())); });
    await asAdmin(async (channel) => {
      await channel.deleteQueue(queue);
      await until(() => !consumer.consuming, 'the consumer to notice');
      await channel.assertQueue(queue, { arguments: mainTopology().queues.find(({ name }) => name === queue)!.arguments });
      await channel.bindQueue(queue, exchanges.events, 'trust.changed');
    });
    const id = await bench.bus.say('monitor', 'trust.changed', trust);
    await until(() => heard.some((body) => body.includes(id)), 'the event');
    await consumer.close();
  });
});

describe('an outcome', () => {
  it('waits for its upstream to come back after the first try, however long the broker was away before', async () => {
    const { WRIT_DATABASE_URL: url } = await bench.env('request', []);
    const source = await new DataSource({ type: 'postgres', url }).initialize();
    const connection = broker(bench.bus.serviceUrl('request'));
    const reader = new OutboxReader(source, 'request', new Publisher(connection, 'writ-request', log), log);
    await new Transactions(source, 'request').run(async (tx) => tx.tell('ci', 'request.cancelled', {}, 'req_a'));
    await source.query(`UPDATE outbox SET created_at = now() - interval '1 minute'`);
    await connection.open();
    reader.start();
    await until(async () => (await source.query('SELECT FROM outbox_unsent WHERE attempts = 1')).length === 1, 'the first try');
    await asAdmin(async (channel) => {
      await channel.assertQueue('ci.outcomes');
      await channel.bindQueue('ci.outcomes', exchanges.outcomes, 'ci.#');
    });
    await source.query('UPDATE outbox_unsent SET next_at = now()');
    await until(async () => (await bench.bus.depth('ci.outcomes')) === 1, 'the outcome');
    await reader.stop();
    await source.destroy();
  });
});
