import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConsumeMessage } from 'amqplib';
import pg from 'pg';
import { contentType, exchanges, queues } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';

/** The barest program that rotates: due rows out as events, answers in as rows; batches, confirms, no outbox, no inbox. */
const atOnce = 200;
const pool = new pg.Pool({ connectionString: process.env.WRIT_DATABASE_URL, max: 4 });
const connection = await connect(process.env.WRIT_BROKER_URL as string);
const channel = await connection.createConfirmChannel();
let stopping = false;
process.once('SIGTERM', () => { stopping = true; });

interface Said { type: string; data: { rotationId: string; tokenId: string; stage?: string } }
const waiting: ConsumeMessage[] = [];
await channel.prefetch(atOnce * 2);
await channel.consume(queues.events('rotation'), (message) => { if (message) waiting.push(message); });
process.send?.('ready');

const columnOf = ({ type, data }: Said) => (type === 'writ.token.retired' ? 'retired' : data.stage ?? '');

async function takeDue(): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH due AS MATERIALIZED (SELECT id FROM bare_token WHERE due_at <= now() ORDER BY due_at LIMIT ${atOnce} FOR UPDATE SKIP LOCKED),
          taken AS (UPDATE bare_token t SET due_at = NULL FROM due WHERE t.id = due.id RETURNING t.id)
     INSERT INTO bare_rotation (id) SELECT replace(id, 'tok_', 'rot_') FROM taken RETURNING id`,
  );
  for (const { id } of rows) {
    const body = { specversion: '1.0', id, source: 'urn:writ:service:rotation', type: 'writ.rotation.due', time: new Date().toISOString(), data: { rotationId: id, tokenId: id.replace('rot_', 'tok_') } };
    channel.publish(exchanges.events, 'rotation.due', Buffer.from(JSON.stringify(body)), { persistent: true, mandatory: true, contentType, userId: brokerUser('rotation') });
  }
  await channel.waitForConfirms();
  return rows.length;
}

async function takeAnswers(): Promise<number> {
  const batch = waiting.splice(0, atOnce);
  const last = batch.at(-1);
  if (!last) return 0;
  const ids = new Map<string, string[]>();
  for (const { content } of batch) {
    const said = JSON.parse(content.toString()) as Said;
    const column = columnOf(said);
    ids.set(column, [...(ids.get(column) ?? []), said.data.rotationId]);
  }
  const client = await pool.connect();
  await client.query('BEGIN');
  for (const [column, rotations] of ids) await client.query(`UPDATE bare_rotation SET ${column} = true WHERE id = ANY($1)`, [rotations]);
  const retired = ids.get('retired');
  if (retired) await client.query(`UPDATE bare_token SET due_at = now() + interval '1 day' WHERE id = ANY($1)`, [retired.map((id) => id.replace('rot_', 'tok_'))]);
  await client.query('COMMIT');
  client.release();
  channel.ack(last, true);
  return batch.length;
}

const repeat = async (work: () => Promise<number>) => {
  while (!stopping) if ((await work()) === 0) await sleep(2);
};
await Promise.all([repeat(takeDue), repeat(takeAnswers)]);
await connection.close();
await pool.end();
