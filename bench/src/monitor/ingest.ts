import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import pg from 'pg';
import { makeId, queues, type TokenId, type UsageRecorded } from '@writ/contracts';
import { until } from '@writ/testing';
import type { BenchOptions, Row } from '../row.js';
import { Replica } from './replica.js';

const perMessage = 500;

/**
 * Usage records through one monitor as it is deployed: from the queue to judged, counted and committed. The limit reads
 * the same messages and appends the same rows to PostgreSQL, and judges nothing.
 */
export async function ingest({ quick, say }: BenchOptions): Promise<Row[]> {
  const messages = quick ? 200 : 800;
  const tokens = Array.from({ length: quick ? 5_000 : 20_000 }, () => makeId('tok', Date.now(), randomBytes(10)));
  const replica = await Replica.create();
  try {
    say(`ingest: ${tokens.length} tokens become known`);
    await replica.start();
    await send(replica, tokens, Math.ceil(tokens.length / perMessage), Date.now() - 2 * 86_400_000);
    await handled(replica, Math.ceil(tokens.length / perMessage));
    say(`ingest, ours: ${messages * perMessage} records`);
    await replica.stop();
    const before = await countOf(replica);
    await send(replica, tokens, messages, Date.now() - 1_800_000);
    await replica.start();
    const startedAt = await until(async () => ((await countOf(replica)) > before ? performance.now() : undefined), 'the first record', 60_000);
    const head = await countOf(replica);
    const cpu = replica.usage().cpuSeconds;
    await handled(replica, before + messages);
    const records = (before + messages - head) * perMessage;
    const used = replica.usage();
    const ours: Row = {
      bench: 'monitor', name: 'ingest', kind: 'ours', perSecond: records / ((performance.now() - startedAt) / 1000), cpuUsPerOp: ((used.cpuSeconds - cpu) * 1e6) / records, rssMb: used.rssMb,
      note: `usage records over ${tokens.length} tokens, ${perMessage} to a message`,
    };
    await replica.stop();
    say('ingest, bare');
    await send(replica, tokens, messages, Date.now());
    return [ours, await bare(replica, messages)];
  } finally {
    await replica.close();
  }
}

const countOf = async (replica: Replica) => Number((await replica.query<{ n: string }>('SELECT count(*) n FROM inbox'))[0]?.n);

async function handled(replica: Replica, messages: number): Promise<void> {
  await until(async () => (await countOf(replica)) >= messages, 'the records to be judged', 300_000);
}

function messageOf(tokens: readonly TokenId[], from: number, at: number): UsageRecorded {
  const time = new Date(at).toISOString();
  return {
    verifierId: 'bench', watermark: time,
    records: Array.from({ length: perMessage }, (_, i) => ({
      tokenId: tokens[(from + i) % tokens.length], generation: 1, code: 'VALID', gateway: 'gw-1', network: (from + i) % 100 === 7 && from % 3_500 === 0 ? '203.0.113.0/24' : `198.51.${(from + i) % 100}.0/24`, agent: 'billing', scopes: ['orders:read'], count: 3, firstAt: time, lastAt: time,
    })),
  };
}

async function send(replica: Replica, tokens: readonly TokenId[], messages: number, from: number): Promise<void> {
  for (let i = 0; i < messages; i += 20) {
    await Promise.all(Array.from({ length: Math.min(20, messages - i) }, (_, j) => replica.bench.bus.say('issuer', 'usage.recorded', messageOf(tokens, (i + j) * perMessage, from + (i + j) * 500))));
  }
}

async function bare(replica: Replica, messages: number): Promise<Row> {
  const client = new pg.Client({ connectionString: replica.bench.database('monitor').adminUrl });
  await client.connect();
  await client.query('CREATE TABLE bare_usage (token_id text, at timestamptz, code text, calls bigint)');
  const connection = await connect(replica.bench.bus.serviceUrl('monitor'));
  const channel = await connection.createChannel();
  await channel.prefetch(400);
  const waiting: { content: Buffer }[] = [];
  await channel.consume(queues.events('monitor'), (message) => message && waiting.push(message));
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let done = 0;
  while (done < messages) {
    const batch = waiting.splice(0, 200);
    if (batch.length === 0) {
      await sleep(2);
      continue;
    }
    const events = batch.map(({ content }) => JSON.parse(content.toString()) as { type: string; data: UsageRecorded }).filter(({ type }) => type === 'writ.usage.recorded');
    const records = events.flatMap(({ data }) => data.records);
    await client.query('INSERT INTO bare_usage SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])', [records.map((r) => r.tokenId), records.map((r) => r.lastAt), records.map((r) => r.code), records.map((r) => r.count)]);
    channel.ack(batch.at(-1) as never, true);
    done += events.length;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await connection.close();
  await client.end();
  return { bench: 'monitor', name: 'ingest', kind: 'limit', perSecond: (messages * perMessage) / seconds, cpuUsPerOp: (user + system) / (messages * perMessage), note: 'read, parsed and appended, nothing judged' };
}
