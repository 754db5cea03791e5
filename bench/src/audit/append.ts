import { hash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { cloudEventType, eventTypes, exchanges, hearsOf, makeId, queues, services, sourceOf } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { Meter } from '../process-cost.js';
import { quantile, type BenchOptions, type Row } from '../row.js';
import { LogProcess } from './log-process.js';

const id = <P extends 'evt' | 'tok' | 'req'>(prefix: P) => makeId(prefix, Date.now(), randomBytes(10));

/** A revocation with a person and a reason in it, as the issuer says it. */
function event(i: number): Buffer {
  const tokenId = id('tok');
  return Buffer.from(JSON.stringify({
    specversion: '1.0', id: id('evt'), source: sourceOf('issuer'), type: cloudEventType('token.revoked'), time: new Date().toISOString(),
    datacontenttype: 'application/json', subject: tokenId, aggregateversion: 1, producer: `issuer/${i % 8}`, producerseq: String(Math.floor(i / 8) + 1),
    data: {
      tokenId, requestId: id('req'), seq: i, by: { kind: 'person', principal: { iss: 'https://id.example', sub: `person-${i % 500}` } }, code: 'revoked-by-owner', reason: 'no longer needed',
    },
  }));
}

async function publish(log: LogProcess, from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => log.bench.bus.publish(brokerUser('issuer'), exchanges.events, 'token.revoked', event(from + i))));
}

/** The other services' queues would fill up unread. */
async function alone(log: LogProcess): Promise<void> {
  for (const service of services) {
    if (service !== 'audit' && hearsOf(service, eventTypes).includes('token.revoked')) await log.bench.bus.unbind(queues.events(service), 'token.revoked');
  }
}

/** From the quorum queue to durable entries, with inbox, dedupe, encryption, indices, checkpoints and monitor at work. */
export async function append({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 30_000 : 150_000;
  say(`append: ${count} events`);
  const log = await LogProcess.create();
  try {
    await alone(log);
    for (let at = 0; at < count; at += 1_000) await publish(log, at, 1_000);
    const pid = log.start();
    const warm = Math.floor(count / 6);
    const startedAt = await log.reaches(warm);
    const first = await log.size();
    const meter = new Meter(new Map([['audit', pid]]));
    const endedAt = await log.reaches(count);
    const cost = meter.read().get('audit');
    const measured = count - first;
    const perSecond = measured / ((endedAt - startedAt) / 1_000);
    const limits = [await bareInsert(log.database.adminUrl, count), bareHashing(count)];
    const ours: Row = {
      bench: 'audit', name: 'append', kind: 'ours', perSecond,
      cpuUsPerOp: (cost?.cpuUs ?? 0) / measured, rssMb: cost?.rssMb, note: `queue, dedupe, encryption, five indices, fsync; ${percent(perSecond / limits[1]!.perSecond)} of hashing`,
    };
    return [ours, ...limits];
  } finally {
    await log.drop();
  }
}

const percent = (ratio: number) => `${(ratio * 100).toPrecision(2)} %`;

/** The same rows with the same indices by batches of a thousand, and nothing else. */
async function bareInsert(url: string, count: number): Promise<Row> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE TABLE bare (seq bigint PRIMARY KEY, event_id text UNIQUE, type text, token_id text, request_id text, leaf text)`);
  for (const column of ['token_id', 'request_id', 'type']) await client.query(`CREATE INDEX ON bare (${column}, seq)`);
  const leaf = 'x'.repeat(600);
  const startedAt = performance.now();
  for (let at = 0; at < count; at += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({ seq: at + i, event_id: id('evt'), type: 'token.revoked', token_id: id('tok'), request_id: id('req'), leaf }));
    await client.query('INSERT INTO bare SELECT * FROM json_populate_recordset(NULL::bare, $1::json)', [JSON.stringify(rows)]);
  }
  const perSecond = count / ((performance.now() - startedAt) / 1_000);
  await client.end();
  return { bench: 'audit', name: 'append', kind: 'limit', perSecond, note: 'bare batched INSERT, same indices' };
}

function bareHashing(count: number): Row {
  const leaf = randomBytes(600);
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) hash('sha256', leaf, 'binary');
  return { bench: 'audit', name: 'append', kind: 'limit', perSecond: count / ((performance.now() - startedAt) / 1_000), note: 'bare SHA-256 of as many leaves' };
}

/** From an event's time to the checkpoint that covers it, at a steady rate. */
export async function checkpoint({ quick, say }: BenchOptions): Promise<Row[]> {
  const perSecond = 200;
  const seconds = quick ? 10 : 30;
  say(`checkpoint: ${perSecond} events/s for ${seconds} s`);
  const log = await LogProcess.create();
  try {
    await alone(log);
    log.start();
    await publish(log, 0, 50);
    await log.reaches(50);
    const startedAt = performance.now();
    for (let tick = 0; tick < seconds * 10; tick++) {
      await publish(log, 50 + tick * (perSecond / 10), perSecond / 10);
      await sleep(Math.max(0, startedAt + (tick + 1) * 100 - performance.now()));
    }
    await sleep(3_000);
    const rows = await log.database.query<{ ms: number }>(
      `SELECT extract(epoch FROM c.published_at - (convert_from(e.leaf, 'utf8')::json->>'ts')::timestamptz) * 1000 AS ms
       FROM tlog_entry e CROSS JOIN LATERAL (SELECT published_at FROM checkpoint WHERE size > e.seq ORDER BY size LIMIT 1) c WHERE e.type = 'token.revoked' AND e.seq > 60`,
    );
    const waits = rows.map(({ ms }) => Number(ms));
    return [{
      bench: 'audit', name: 'checkpoint', kind: 'ours', perSecond: waits.length / seconds, p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99),
      note: 'event to signed checkpoint, one per second',
    }];
  } finally {
    await log.drop();
  }
}
