import { NestFactory } from '@nestjs/core';
import { Module, type INestMicroservice } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createLog } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { batchContentType, joinEnvelopes, type Message, type ServiceName } from '@writ/contracts';
import { Messaging, MessageHandler, On, Transactions, Unacceptable, type Tx } from '@writ/messaging';

const trust = (version: number, ownerId = 'svc:a') => ({ ownerId, team: 'orders', openIncidents: version, version, code: 'incident-opened', since: '2026-01-01T00:00:00Z' });

/** Fails for owners named so, and writes a row for all others. */
let failing = new Set<string>();
let handled: string[] = [];

@MessageHandler()
class OnEverything {
  @On('request.submitted', 'request.cancelled')
  ignore(): void {}

  @On('trust.changed')
  async trust({ data, id }: Message<'trust.changed'>, tx: Tx<'policy'>): Promise<void> {
    if (data.ownerId === 'svc:forged') throw new Unacceptable('statement-bad-signature', 'Not signed by anybody we trust.');
    if (failing.has(data.ownerId)) throw new Error('this handler fails');
    handled.push(id);
    tx.db.insert('seen', { event_id: id, owner: data.ownerId, version: data.version });
    tx.emit('request.lapsed', { requestId: 'req_0000000000000000000000000a' as never, requestDigest: `sha256:${'0'.repeat(64)}` as never, lapsedAt: '2026-01-01T00:00:00Z' });
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

async function start(module = PolicyLike, service: ServiceName = 'policy') {
  const env = await bench.env(service, [Seen1700000001000] as never);
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
});
afterEach(stop);

const rows = (sql: string) => bench.database('policy').query<Record<string, string>>(sql);

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

  it('loses and repeats nothing over a restart under load: the broker redelivers no message', async () => {
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
    await died.run(async (tx) => tx.emit('request.lapsed', { requestId: 'req_0000000000000000000000000b' as never, requestDigest: `sha256:${'0'.repeat(64)}` as never, lapsedAt: '2026-01-01T00:00:00Z' }));
    await tap.next('request.lapsed', (data) => data.requestId === 'req_0000000000000000000000000b');
    await until(async () => (await rows('SELECT id FROM outbox_unsent')).length === 0, 'it to be struck off');
  });

  it('does not start without a handler for what it hears', async () => {
    await expect(start(Deaf as never)).rejects.toThrow(/hears request\.submitted.* but has no handler/);
  });
});
