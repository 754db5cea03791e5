import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import pg from 'pg';
import { createDecider, type Decision, type PolicyFacts } from '@writ/policy';
import { backingUrls, uniqueName } from '@writ/testing';

/**
 * The same way as barely as it can be gone: four processes, each with a queue, batches in one transaction, confirms,
 * and in the second of them the same policy decisions. No contracts, no checks, no signatures, no log tree.
 */
const stages = ['request', 'policy', 'issuer', 'audit'] as const;
const queueOf = (prefix: string, stage: string) => `${prefix}.${stage}`;

interface StageFacts { stage: number; prefix: string; databaseUrl: string; amqpUrl: string; policies: string; anew: boolean }

/** @param anew no two requests ask the same, so that each is decided and none remembered */
export async function bareWay(count: number, anew: boolean): Promise<{ perSecond: number }> {
  const { postgres, amqp } = backingUrls();
  const prefix = uniqueName('bare');
  const admin = new pg.Client({ connectionString: postgres });
  await admin.connect();
  const connection = await connect(amqp);
  const channel = await connection.createConfirmChannel();
  const children: ChildProcess[] = [];
  const databases = stages.map((stage) => `${prefix}_${stage}`);
  try {
    for (const [i, stage] of stages.entries()) {
      await admin.query(`CREATE DATABASE ${databases[i]}`);
      await channel.assertQueue(queueOf(prefix, stage), { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    }
    const ready = stages.map((_, stage) => {
      const url = new URL(postgres);
      url.pathname = `/${databases[stage]}`;
      const facts: StageFacts = { stage, prefix, databaseUrl: url.toString(), amqpUrl: amqp, policies: fileURLToPath(new URL('../../../policies/sample', import.meta.url)), anew };
      const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(facts)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.push(child);
      return new Promise<void>((resolve) => child.on('message', (said) => said === 'ready' && resolve()));
    });
    await Promise.all(ready);
    const finished = new Promise<void>((resolve) => {
      let done = 0;
      children[stages.length - 1]?.on('message', (said) => {
        if (typeof said === 'number') done += said;
        if (done >= count) resolve();
      });
    });
    const startedAt = performance.now();
    for (let i = 0; i < count; i += 500) {
      for (let j = i; j < Math.min(count, i + 500); j++) {
        channel.sendToQueue(queueOf(prefix, 'request'), Buffer.from(JSON.stringify({ id: `bare-${j}`, data: { requester: { id: `svc:${j % 50}`, team: 'orders', openIncidents: 0 }, resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttlSeconds: 86_400 - (anew ? j : 0), reason: 'nightly export of orders' } })), { persistent: true });
      }
      await channel.waitForConfirms();
    }
    await finished;
    return { perSecond: count / ((performance.now() - startedAt) / 1000) };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    for (const stage of stages) await channel.deleteQueue(queueOf(prefix, stage)).catch(() => undefined);
    await connection.close();
    for (const database of databases) await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await admin.end();
  }
}

async function runStage({ stage, prefix, databaseUrl, amqpUrl, policies }: StageFacts): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('CREATE TABLE inbox (id text PRIMARY KEY); CREATE TABLE facts (id text PRIMARY KEY, body jsonb NOT NULL); CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY, body text NOT NULL, sent_at timestamptz)');
  const decider = stage === 1 ? createDecider() : undefined;
  if (decider) {
    const files = readdirSync(policies, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    await decider.activate(Object.fromEntries(files.map((file) => [file.name, readFileSync(join(file.parentPath, file.name), 'utf8')])));
  }
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  await channel.prefetch(400);
  const next = stages[stage + 1];
  const waiting: { content: Buffer }[] = [];
  let working = false;
  const work = async () => {
    if (working) return;
    working = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, 200);
      const items = batch.map(({ content }) => JSON.parse(content.toString()) as { id: string; data: object });
      if (decider) await Promise.all(items.map(async ({ data }) => approved(await decider.decide({ ...data, submitter: 'ci' } as PolicyFacts))));
      const bodies = items.map((item) => JSON.stringify(item));
      await client.query('BEGIN');
      await client.query('INSERT INTO inbox SELECT unnest($1::text[]) ON CONFLICT DO NOTHING', [items.map(({ id }) => id)]);
      await client.query('INSERT INTO facts SELECT unnest($1::text[]), unnest($2::jsonb[])', [items.map(({ id }) => id), bodies]);
      if (next) await client.query('INSERT INTO outbox (body) SELECT unnest($1::text[])', [bodies]);
      await client.query('COMMIT');
      channel.ack(batch.at(-1) as never, true);
      if (next) {
        // The relay of the barest program is the next statement of the same loop.
        const { rows } = await client.query<{ id: string; body: string }>('SELECT id, body FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 500');
        for (const { body } of rows) channel.sendToQueue(queueOf(prefix, next), Buffer.from(body), { persistent: true, mandatory: true });
        await channel.waitForConfirms();
        await client.query('UPDATE outbox SET sent_at = now() WHERE id = ANY($1)', [rows.map(({ id }) => id)]);
      } else process.send?.(batch.length);
    }
    working = false;
  };
  await channel.consume(queueOf(prefix, stages[stage] as string), (message) => {
    if (!message) return;
    waiting.push(message);
    setImmediate(() => void work());
  });
  process.send?.('ready');
}

/** What is refused as malformed costs nothing, and would be no limit. */
function approved({ outcome, code }: Decision): void {
  if (outcome !== 'approve') throw new Error(`The limit was to approve, and said ${outcome}: ${code}.`);
}

if (process.send && process.argv[2]) await runStage(JSON.parse(process.argv[2]) as StageFacts);
