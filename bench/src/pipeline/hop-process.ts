import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { connect } from 'amqplib';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { eventTypes, exchanges, hearsOf, queues, type EventType, type Message } from '@writ/contracts';
import { Messaging, MessageHandler, On, type Log, type Tx } from '@writ/messaging';
import type { HopFacts } from './hop.js';

/** One end of a hop, ours or bare; started by hop.ts. */
const facts = JSON.parse(process.argv[2] ?? '') as HopFacts;
const quiet: Log = { debug: () => undefined, info: () => undefined, warn: (more, text) => process.stderr.write(`${text} ${JSON.stringify(more)}\n`), error: (more, text) => process.stderr.write(`${text} ${JSON.stringify(more)}\n`) };
const latencies: number[] = [];
let received = 0;
const go = new Promise<void>((resolve) => process.once('message', () => resolve()));
const cpuAtStart = () => process.cpuUsage();
let cpu = cpuAtStart();

function finished(): void {
  const { user, system } = process.cpuUsage(cpu);
  process.send?.({ finishedAt: Date.now(), cpuUs: user + system, rssMb: process.memoryUsage().rss / 1e6, latencies });
}

/** What every event costs its receiver here: one row of its own. */
@MessageHandler()
class Receive {
  @On('trust.changed')
  handle({ id, time, data }: Message<'trust.changed'>, tx: Tx<'policy'>): void {
    tx.db.insert('bench_seen', { event_id: id, owner: data.ownerId, version: data.version });
    tx.onCommit(() => {
      latencies.push(Date.now() - time.getTime());
      received += 1;
      if (received === facts.count) finished();
    });
  }

  @On(...hearsOf('policy', eventTypes).filter((type) => type !== 'trust.changed'))
  ignore(): void {}
}

@Module({ controllers: [Receive] })
class ReceiverModule {}

@MessageHandler()
class Ignore {
  @On(...(hearsOf('monitor', eventTypes) as EventType[]))
  ignore(): void {}
}

@Module({ controllers: [Ignore] })
class SenderModule {}

async function ours(): Promise<void> {
  const source = await new DataSource({ type: 'postgres', url: facts.databaseUrl, poolSize: 10 }).initialize();
  const service = facts.role === 'send' ? 'monitor' : 'policy';
  const messaging = new Messaging({ service, brokerUrl: facts.brokerUrl, source, log: quiet });
  const app = await NestFactory.createMicroservice(facts.role === 'send' ? SenderModule : ReceiverModule, { strategy: messaging, logger: false });
  await app.listen();
  process.send?.({ ready: true });
  await go;
  cpu = cpuAtStart();
  if (facts.role === 'receive') return;
  const each = 200;
  const write = (from: number) => messaging.transactions.run(async (tx) => {
    for (let i = from; i < from + each; i++) (tx as unknown as Tx<'monitor'>).emit('trust.changed', trust(i));
  });
  for (let from = 0; from < facts.count; from += each * 2) await Promise.all([write(from), write(from + each)]);
  finished();
}

const trust = (i: number) => ({ ownerId: `svc:${i}`, team: 'orders', openIncidents: 0, version: i, code: 'incident-closed', since: '2026-01-01T00:00:00Z' });

/** The same hop as the barest program does it: batches, confirms, one transaction per batch, and nothing else. */
async function bareSend(): Promise<void> {
  const pool = new pg.Pool({ connectionString: facts.databaseUrl, max: 10 });
  const connection = await connect(facts.brokerUrl);
  const channel = await connection.createConfirmChannel();
  process.send?.({ ready: true });
  await go;
  cpu = cpuAtStart();
  let sent = 0;
  const relay = (async () => {
    const client = await pool.connect();
    while (sent < facts.count) {
      await client.query('BEGIN');
      const { rows } = await client.query<{ id: string; body: string }>('SELECT id, body FROM bench_outbox WHERE sent_at IS NULL ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED');
      for (const { id, body } of rows) channel.publish(exchanges.events, 'trust.changed', Buffer.from(body), { persistent: true, mandatory: true, messageId: id });
      await channel.waitForConfirms();
      await client.query('UPDATE bench_outbox SET sent_at = now() WHERE id = ANY($1)', [rows.map(({ id }) => id)]);
      await client.query('COMMIT');
      sent += rows.length;
      if (rows.length === 0) await sleep(5);
    }
  })();
  const each = 200;
  const write = async (from: number) => {
    const bodies = Array.from({ length: each }, (_, i) => JSON.stringify({ specversion: '1.0', id: `bare-${from + i}`, type: 'writ.trust.changed', time: new Date().toISOString(), data: trust(from + i) }));
    await pool.query('INSERT INTO bench_outbox (body) SELECT unnest($1::text[])', [bodies]);
  };
  for (let from = 0; from < facts.count; from += each * 2) await Promise.all([write(from), write(from + each)]);
  await relay;
  finished();
}

async function bareReceive(): Promise<void> {
  const pool = new pg.Pool({ connectionString: facts.databaseUrl, max: 2 });
  const connection = await connect(facts.brokerUrl);
  const channel = await connection.createChannel();
  await channel.prefetch(400);
  const waiting: { id: string; time: number; tag: { content: Buffer } }[] = [];
  let working = false;
  const work = async () => {
    if (working) return;
    working = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, 200);
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query('INSERT INTO bench_inbox (message_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING message_id', [batch.map(({ id }) => id)]);
      await client.query('INSERT INTO bench_seen (event_id, owner, version) SELECT unnest($1::text[]), $2, 1', [batch.map(({ id }) => id), 'svc:a']);
      await client.query('COMMIT');
      client.release();
      const now = Date.now();
      for (const { time } of batch) latencies.push(now - time);
      channel.ack(batch.at(-1)?.tag as never, true);
      received += batch.length;
      if (received >= facts.count) finished();
    }
    working = false;
  };
  await channel.consume(queues.events('policy'), (message) => {
    if (!message) return;
    const { id, time } = JSON.parse(message.content.toString()) as { id: string; time: string };
    waiting.push({ id, time: Date.parse(time), tag: message });
    setImmediate(() => void work());
  });
  process.send?.({ ready: true });
  await go;
  cpu = cpuAtStart();
}

await (facts.kind === 'ours' ? ours() : facts.role === 'send' ? bareSend() : bareReceive());
