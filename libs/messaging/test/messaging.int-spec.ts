import { NestFactory } from '@nestjs/core';
import { Module, type INestMicroservice } from '@nestjs/common';
import { connect, type Channel } from 'amqplib';
import { DataSource } from 'typeorm';
import { createLog } from '@writ/service';
import { FaultProxy, TestBench, until } from '@writ/testing';
import { batchContentType, joinEnvelopes, type Message, type ServiceName } from '@writ/contracts';
import { Messaging, MessageHandler, On, parkedMessages, replayParked, Transactions, Unacceptable, type Tx } from '@writ/messaging';
import { tidy } from '../src/tidy.js';

const lapsed = (letter: string) => ({ requestId: `req_0000000000000000000000000${letter}` as never, requestDigest: `sha256:${'0'.repeat(64)}` as never, lapsedAt: '2026-01-01T00:00:00Z' });
const trust = (version: number, ownerId = 'svc:a') => ({ ownerId, team: 'orders', openIncidents: version, version, code: 'incident-opened', since: '2026-01-01T00:00:00Z' });

/** Fails for owners named so, and writes a row for all others. */
let failing = new Set<string>();
let meanwhile: () => Promise<void>;
let handled: string[] = [];

@MessageHandler()
class OnEverything {
  @On('request.submitted', 'request.cancelled')
  ignore(): void {}

  @On('trust.changed')
  async trust({ data, id }: Message<'trust.changed'>, tx: Tx<'policy'>): Promise<void> {
    if (data.ownerId === 'svc:forged') throw new Unacceptable('statement-bad-signature', 'Not signed by anybody we trust.');
    await meanwhile();
    if (failing.has(data.ownerId)) throw new Error('this handler fails');
    handled.push(id);
    tx.db.insert('seen', { event_id: id, owner: data.ownerId, version: data.version });
    tx.emit('request.lapsed', lapsed('a'));
  }
}

@Module({ controllers: [OnEverything] })
class PolicyLike {}

@Module({})
class Deaf {}

class Seen1700000001000 {
  readonly name = 'Seen1700000001000';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query('CREATE TABLE seen (event_id text PRIMARY KEY, owner text NOT NULL, version int NOT NULL)');
  }
  async down(): Promise<void> {}
}

let bench: TestBench;
const open: { app: INestMicroservice; source: DataSource }[] = [];

async function start(module = PolicyLike, service: ServiceName = 'policy', change: NodeJS.ProcessEnv = {}) {
  const env = { ...await bench.env(service, [Seen1700000001000] as never), ...change };
  const log = createLog(service, process.env.WRIT_TEST_LOG_LEVEL ?? 'fatal');
  const source = await new DataSource({ type: 'postgres', url: env.WRIT_DATABASE_URL }).initialize();
  const strategy = new Messaging({ service, brokerUrl: env.WRIT_BROKER_URL as string, source, log, batch: 50 });
  const app = await NestFactory.createMicroservice(module, { strategy, logger: false, abortOnError: false });
  open.push({ app, source });
  await app.listen();
  return { app, strategy, source };
}

async function stop(): Promise<void> {
  for (const { app, source } of open.splice(0)) {
    await app.close().catch(() => undefined);
    if (source.isInitialized) await source.destroy();
  }
}

beforeAll(async () => {
  bench = await TestBench.create();
});
afterAll(async () => {
  await stop();
  await bench.drop();
});
beforeEach(() => {
  failing = new Set();
  handled = [];
  meanwhile = async () => undefined;
});
afterEach(stop);

async function asAdmin(work: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(bench.bus.adminUrl());
  const channel = await connection.createChannel();
  await work(channel);
  await channel.close(); // A connection's end overtakes what its channels still send.
  await connection.close();
}

/** An event about trust, as the monitor's bytes. */
const said = (id: string, owner = 'svc:a', more: object = {}) => Buffer.from(JSON.stringify({ specversion: '1.0', id, source: 'urn:writ:service:monitor', type: 'writ.trust.changed', time: '2026-01-01T00:00:00Z', subject: owner, data: trust(1, owner), ...more }));
const publish = (body: Buffer) => bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', body);
const rows = (sql: string) => bench.database('policy').query<Record<string, string>>(sql);

describe('an event that no queue wants', () => {
  it('is kept, and leaves when somebody is bound to hear it', async () => {
    const { strategy } = await start();
    const listeners = ['writ.request', 'writ.audit'];
    for (const queue of listeners) await bench.bus.unbind(queue, 'request.lapsed');
    await strategy.transactions.run(async (tx) => (tx as Tx<'policy'>).emit('request.lapsed', lapsed('a')));
    await until(async () => (await rows('SELECT FROM outbox_unsent WHERE attempts > 0')).length === 1, 'the first try');
    await rows('UPDATE outbox_unsent SET attempts = 2000, next_at = now()');
    const [late] = await until(async () => {
      const found = await rows(`SELECT next_at < now() + interval '11 minutes' AS soon FROM outbox_unsent WHERE attempts = 2001`);
      return found.length === 1 && found;
    }, 'a try after many');
    expect(late).toEqual({ soon: true });
    await asAdmin((channel) => Promise.all(listeners.map((queue) => channel.bindQueue(queue, 'writ.events', 'request.lapsed'))));
    await rows('UPDATE outbox_unsent SET next_at = now()');
    await until(async () => (await rows('SELECT FROM outbox_unsent')).length === 0, 'it to be heard');
  });
});

describe('a consumer', () => {
  it('handles each event once and says what it said with its change (G2)', async () => {
    await start();
    const tap = await bench.bus.tap();
    const id = 'evt-delivered-three-times';
    const event = Buffer.from(JSON.stringify({ specversion: '1.0', id, source: 'urn:writ:service:monitor', type: 'writ.trust.changed', time: '2026-01-01T00:00:00Z', subject: 'svc:a', data: trust(1) }));
    for (let i = 0; i < 3; i++) await bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', event);
    await tap.next('request.lapsed');
    expect(handled.filter((one) => one === id)).toHaveLength(1);
    expect(await rows(`SELECT * FROM seen WHERE event_id = '${id}'`)).toHaveLength(1);
  });

  it('numbers its events without a gap per producer (G8)', async () => {
    await start();
    const tap = await bench.bus.tap();
    const count = 300;
    await Promise.all(Array.from({ length: count }, (_, i) => bench.bus.say('monitor', 'trust.changed', trust(i, `svc:${i}`))));
    await until(() => tap.ofType('request.lapsed').length >= count, 'all events');
    const byProducer = new Map<string, number[]>();
    for (const { envelope } of tap.ofType('request.lapsed')) {
      byProducer.set(String(envelope.producer), [...(byProducer.get(String(envelope.producer)) ?? []), Number(envelope.producerseq)]);
    }
    for (const numbers of byProducer.values()) {
      const sorted = numbers.sort((a, b) => a - b);
      expect(sorted.at(-1)! - sorted[0]!).toBe(sorted.length - 1);
    }
  });

  it('handles the others of a batch when one of them fails, and tries that one again later', async () => {
    failing.add('svc:poison');
    await start();
    const good = await Promise.all(Array.from({ length: 30 }, (_, i) => bench.bus.say('monitor', 'trust.changed', trust(i, `svc:good-${i}`))));
    const bad = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:poison'));
    await until(() => good.every((id) => handled.includes(id)), 'the good ones');
    await until(async () => (await rows(`SELECT * FROM inbox_waiting WHERE message_id = '${bad}'`)).length === 1, 'the bad one to wait');
    expect(handled).not.toContain(bad);
    failing.clear();
    await until(() => handled.includes(bad), 'the retry');
    await until(async () => (await rows('SELECT * FROM inbox_waiting')).length === 0, 'the waiting list to be empty');
  });

  it('parks once what can never be handled, says so, and goes on', async () => {
    await start();
    const tap = await bench.bus.tap();
    const junk = Buffer.from('{ not json');
    for (let i = 0; i < 3; i++) await bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', junk);
    const parked = await tap.next('message.parked');
    expect(parked.envelope.data).toMatchObject({ service: 'policy', code: 'malformed-json' });
    const after = await bench.bus.say('monitor', 'trust.changed', trust(9, 'svc:after'));
    await until(() => handled.includes(after), 'the next message');
    expect(await rows(`SELECT * FROM inbox_waiting WHERE code = 'malformed-json' AND state = 'parked'`)).toHaveLength(1);
    expect(tap.ofType('message.parked').filter(({ envelope }) => envelope.data.code === 'malformed-json')).toHaveLength(1);
    await rows('DELETE FROM inbox_waiting');
  });

  it('parks the one bad event of a message that holds several, and handles the others', async () => {
    await start();
    const tap = await bench.bus.tap();
    const event = (id: string, source = 'urn:writ:service:monitor') => JSON.stringify({ specversion: '1.0', id, source, type: 'writ.trust.changed', time: '2026-01-01T00:00:00Z', subject: id, data: trust(1, id) });
    const batch = Buffer.from(joinEnvelopes([event('evt-one'), event('evt-forged', 'urn:writ:service:issuer'), event('evt-two')]));
    for (let i = 0; i < 2; i++) await bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', batch, { contentType: batchContentType });
    await tap.next('message.parked', ({ code, messageId }) => code === 'forged-event' && messageId === 'evt-forged');
    await until(() => handled.includes('evt-two'), 'the good ones');
    expect(handled.toSorted()).toEqual(['evt-one', 'evt-two']);
    await rows('DELETE FROM inbox_waiting');
  });

  it('parks an event that its publisher may not say, and one without a publisher (G10)', async () => {
    await start();
    const tap = await bench.bus.tap();
    const event = (id: string) => Buffer.from(JSON.stringify({ specversion: '1.0', id, source: 'urn:writ:service:issuer', type: 'writ.trust.changed', time: '2026-01-01T00:00:00Z', subject: 'x', data: trust(1) }));
    await bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', event('evt-forged'));
    await tap.next('message.parked', ({ code }) => code === 'forged-event');
    await bench.bus.publish('writ-monitor', 'writ.events', 'trust.changed', event('evt-nobody'), { userId: null });
    await tap.next('message.parked', ({ code }) => code === 'user-id-missing');
    expect(handled).toEqual([]);
    await rows('DELETE FROM inbox_waiting');
  });

  it('parks at once, by its code, what its handler says can never be acceptable', async () => {
    await start();
    const tap = await bench.bus.tap();
    const id = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:forged'));
    await tap.next('message.parked', ({ code, messageId }) => code === 'statement-bad-signature' && messageId === id);
    expect(await rows(`SELECT * FROM inbox_waiting WHERE state = 'parked' AND message_id = '${id}'`)).toHaveLength(1);
    await rows('DELETE FROM inbox_waiting');
  });

  it('refuses the same id with another body and says so', async () => {
    await start();
    const tap = await bench.bus.tap();
    const id = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:first'));
    await until(() => handled.includes(id), 'the first');
    await bench.bus.say('monitor', 'trust.changed', trust(2, 'svc:second'), { id });
    await tap.next('message.parked', ({ code }) => code === 'id-reused');
    expect(handled.filter((one) => one === id)).toHaveLength(1);
    await rows('DELETE FROM inbox_waiting');
  });

  it('parks an event whose names cannot be stored as they are, and goes on', async () => {
    await start();
    const tap = await bench.bus.tap();
    for (const id of ['evt-\u0000', 'evt-\ud800']) await publish(said(id));
    await publish(said('evt-subject', 'svc:a', { subject: '\udc00' }));
    await publish(said(`${'x'.repeat(255)}\u{1f600}`, 'svc:a', { source: 'urn:writ:service:issuer' })); // Its first 256 units end within a character.
    await publish(said('evt-detail', 'svc:a', { source: `urn:\u{1f600}${'\u{1f600}'.repeat(80)}` }));
    await until(() => tap.ofType('message.parked').length === 5, 'all five');
    expect(tap.ofType('message.parked').map(({ envelope }) => envelope.data.code).toSorted()).toEqual(['forged-event', 'forged-event', 'malformed-envelope', 'malformed-envelope', 'malformed-envelope']);
    const after = await bench.bus.say('monitor', 'trust.changed', trust(9, 'svc:after-names'));
    await until(() => handled.includes(after), 'the next message');
    await rows('DELETE FROM inbox_waiting');
  });

  it('counts a try before it begins, and parks what was begun too often', async () => {
    failing.add('svc:deadly');
    await start();
    const tap = await bench.bus.tap();
    const id = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:deadly'));
    const counted: unknown[] = [];
    meanwhile = async () => { counted.push(...await rows(`SELECT attempts FROM inbox_waiting WHERE message_id = '${id}'`)); };
    await until(() => counted.length > 0, 'the second try');
    expect(counted[0]).toEqual({ attempts: 2 });
    meanwhile = async () => undefined;
    await rows(`UPDATE inbox_waiting SET attempts = 10, next_at = now() WHERE message_id = '${id}'`); // As ten crashes leave it.
    await tap.next('message.parked', ({ code, messageId }) => code === 'delivery-limit' && messageId === id);
    failing.clear();
    const { source } = open[0]!;
    const db = new Transactions(source, 'policy');
    expect(await db.read(parkedMessages)).toMatchObject([{ messageId: id, code: 'delivery-limit' }]);
    expect(await db.read((each) => replayParked(each))).toBe(1);
    await until(() => handled.includes(id), 'the replay');
    await until(async () => (await rows('SELECT FROM inbox_waiting')).length === 0, 'the list to be empty');
  });

  it('parks a waiting message whose id was meanwhile used for another body', async () => {
    failing.add('svc:waits');
    await start();
    const tap = await bench.bus.tap();
    const id = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:waits'));
    await until(async () => (await rows(`SELECT FROM inbox_waiting WHERE message_id = '${id}'`)).length === 1, 'it to wait');
    await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:overtakes'), { id });
    await until(() => handled.includes(id), 'the other');
    failing.clear();
    await tap.next('message.parked', ({ code, messageId }) => code === 'id-reused' && messageId === id);
    expect(handled).toEqual([id]);
    await rows('DELETE FROM inbox_waiting');
  });

  it('gives each event that the broker gave up on one try by itself, and parks only what fails then', async () => {
    await start();
    await publish(said('evt-dead-known', 'svc:dead-known'));
    await until(() => handled.includes('evt-dead-known'), 'the one that is known');
    await stop();
    for (const name of ['known', 'new', 'deadly']) await publish(said(`evt-dead-${name}`, `svc:dead-${name}`));
    await asAdmin(async (channel) => {
      for (let died = 0; died < 3;) {
        const message = await channel.get('writ.policy');
        if (!message) continue;
        channel.nack(message, false, false);
        died += 1;
      }
    });
    failing.add('svc:dead-deadly');
    const tap = await bench.bus.tap();
    await start();
    await tap.next('message.parked', ({ messageId }) => messageId === 'evt-dead-deadly');
    await until(() => handled.includes('evt-dead-new'), 'its neighbour');
    await until(async () => (await rows('SELECT FROM inbox_waiting')).length === 1, 'the others to be done');
    expect(handled).toEqual(['evt-dead-known', 'evt-dead-new']);
    await rows('DELETE FROM inbox_waiting');
  });

  it('waits for a database that is away: nothing is lost, parked or handled twice (G2)', async () => {
    const { WRIT_DATABASE_URL: url } = await bench.env('policy', []);
    const database = await FaultProxy.before(url as string);
    await start(PolicyLike, 'policy', { WRIT_DATABASE_URL: database.url(url as string) });
    const say = (from: number) => Promise.all(Array.from({ length: 20 }, (_, i) => bench.bus.say('monitor', 'trust.changed', trust(i, `svc:away-${from + i}`))));
    const before = await say(0);
    await until(() => handled.length > 0, 'the first');
    database.set('down');
    const ids = [...before, ...await say(20)];
    database.set('none');
    await until(async () => (await rows(`SELECT FROM seen WHERE owner LIKE 'svc:away-%'`)).length === 40, 'all of them');
    expect(new Set((await rows(`SELECT event_id FROM seen WHERE owner LIKE 'svc:away-%'`)).map(({ event_id }) => event_id))).toEqual(new Set(ids));
    expect(await rows('SELECT code, last_error FROM inbox_waiting')).toEqual([]);
    await stop();
    await database.close();
  });

  it('carries a trace on into what its handlers say, and nothing that only looks like one', async () => {
    await start();
    const tap = await bench.bus.tap();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const each of [{ traceparent }, { traceparent: '00-junk' }, {}]) await publish(said(`evt-trace-${each.traceparent?.length ?? 0}`, `svc:trace-${each.traceparent?.length ?? 0}`, each));
    await until(() => tap.ofType('request.lapsed').length === 3, 'all three');
    expect(tap.ofType('request.lapsed').map(({ envelope }) => envelope.traceparent).filter(Boolean)).toEqual([traceparent]);
  });

  it('loses and repeats nothing over a restart under load', async () => {
    await start();
    const count = 2_000;
    const ids: string[] = [];
    const sending = (async () => {
      for (let i = 0; i < count; i += 50) {
        ids.push(...(await Promise.all(Array.from({ length: 50 }, (_, j) => bench.bus.say('monitor', 'trust.changed', trust(i + j, `svc:r${i + j}`))))));
      }
    })();
    await until(() => handled.length > 200, 'some to be handled');
    await stop();
    await start();
    await sending;
    await until(() => new Set(handled).size >= count, 'all of them', 30_000);
    expect(handled.length).toBe(count);
    expect(new Set(handled)).toEqual(new Set(ids));
  });
});

describe('a service', () => {
  it('publishes what a process that died had committed (G2)', async () => {
    const { source } = await start();
    const tap = await bench.bus.tap();
    const died = new Transactions(source, 'policy');
    died.leadTo({ graceSeconds: 1, take: () => undefined });
    await died.run(async (tx) => tx.emit('request.lapsed', lapsed('b')));
    await tap.next('request.lapsed', (data) => data.requestId === 'req_0000000000000000000000000b');
    await until(async () => (await rows('SELECT id FROM outbox_unsent')).length === 0, 'it to be struck off');
  });

  it('publishes after the broker came back what was said while it was away (G2)', async () => {
    const { WRIT_BROKER_URL: url } = await bench.env('policy', []);
    const broker = await FaultProxy.before(url as string);
    const { strategy } = await start(PolicyLike, 'policy', { WRIT_BROKER_URL: broker.url(url as string) });
    const tap = await bench.bus.tap();
    broker.set('down');
    await until(() => strategy.trouble, 'the service to notice');
    await strategy.transactions.run(async (tx) => (tx as Tx<'policy'>).emit('request.lapsed', lapsed('c')));
    broker.set('none');
    await tap.next('request.lapsed', (data) => data.requestId === lapsed('c').requestId);
    const id = await bench.bus.say('monitor', 'trust.changed', trust(1, 'svc:back'));
    await until(() => handled.includes(id), 'the consumer to be back too');
    await stop();
    await broker.close();
  });

  it('says nothing that the flow does not let it say', async () => {
    const { source } = await start();
    // @ts-expect-error a service's transactions know its events
    await expect(new Transactions(source, 'policy').run(async (tx) => tx.emit('token.issued', {} as never))).rejects.toThrow('policy may not say token.issued');
  });

  it('forgets what is old, however much of it there is', async () => {
    const { source } = await start();
    await rows(`INSERT INTO inbox (message_id, body_digest, received_at) SELECT 'old-' || i, '', now() - interval '8 days' FROM generate_series(1, 5) i`);
    await rows(`UPDATE outbox SET created_at = now() - interval '2 days'`);
    const fresh = await rows(`SELECT FROM inbox WHERE received_at > now() - interval '1 day'`);
    await new Transactions(source, 'policy').read((db) => tidy(db, new AbortController().signal, 2));
    expect(await rows('SELECT FROM inbox')).toHaveLength(fresh.length);
    expect(await rows('SELECT FROM outbox')).toEqual(await rows('SELECT FROM outbox WHERE id IN (SELECT id FROM outbox_unsent)'));
  });

  it('does not start without a handler for what it hears', async () => {
    await expect(start(Deaf as never)).rejects.toThrow(/hears request\.submitted.* but has no handler/);
  });
});
