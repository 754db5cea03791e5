import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { Db, parkedMessages, replayParked } from '@writ/messaging';
import { DataSource } from 'typeorm';
import { runningBacking } from '../backing/backing.mjs';
import { Problem } from '../backing/problem.mjs';
import { factsOf } from './facts.mjs';
import { layoutOf, passwordsOf, root } from './installation.mjs';
import { withDatabase } from './services.mjs';
import { readPlatform } from './supervisor.mjs';

const usage = 'usage: npm run parked [-- list|replay] [SERVICE [ID…]] [--waiting] [--json]';

/** Lists the messages that wait for an operator, or has their services try them again. */
export async function run({ args }) {
  const { positionals: [action = 'list', service, ...ids], values } = parse(args);
  if (!['list', 'replay'].includes(action) || (service !== undefined && !withDatabase.includes(service))) throw new Problem('There is no such command or service.', usage);
  if (!ids.every((id) => /^\d{1,18}$/.test(id))) throw new Problem('An id is a number, as the list shows it.', usage);
  let missing = 0;
  const urls = databaseUrls();
  for (const name of service === undefined ? withDatabase : [service]) {
    await inDatabase(urls(name), async (db) => {
      if (action === 'replay') missing += await replay(name, db, [...new Set(ids)]);
      else show(name, await parkedMessages(db, { waiting: values.waiting }), values.json);
    });
  }
  return missing > 0 ? 1 : 0;
}

/** Answers how many of the wanted messages are not parked here, which is for a person to look into. */
async function replay(name, db, ids) {
  const again = await replayParked(db, ids.length > 0 ? ids : undefined);
  const missing = Math.max(0, ids.length - again);
  process.stdout.write(`${name}: ${again} tried again${missing > 0 ? `; ${missing} of these ids ${missing === 1 ? 'is' : 'are'} not parked here` : ''}\n`);
  return missing;
}

function parse(args) {
  try {
    return parseArgs({ args, allowPositionals: true, options: { waiting: { type: 'boolean' }, json: { type: 'boolean' } } });
  } catch (error) {
    throw new Problem(`${error.message}.`, usage);
  }
}

function databaseUrls() {
  const layout = layoutOf(`${root}.writ`);
  const backing = runningBacking(layout.backing);
  if (backing === undefined) throw new Problem('Nothing runs here.', 'Start it first: npm start -- --detach');
  return factsOf({ layout, ports: readPlatform(layout)?.ports ?? {}, backing, passwords: passwordsOf(layout), logLevel: 'info' }).databaseUrl;
}

async function inDatabase(url, work) {
  const source = await new DataSource({ type: 'postgres', url }).initialize();
  const runner = source.createQueryRunner();
  try {
    await work(new Db(runner));
  } finally {
    await runner.release();
    await source.destroy();
  }
}

function show(service, messages, json) {
  if (json) {
    for (const message of messages) process.stdout.write(`${JSON.stringify({ service, ...message })}\n`);
    return;
  }
  process.stdout.write(`${service}: ${messages.length === 0 ? 'none' : messages.length}\n`);
  for (const { id, door, code, attempts, since, error } of messages) {
    // It may quote whoever published the message, and must not steer the terminal.
    const reason = error.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ');
    process.stdout.write(`  ${id.padEnd(8)}${door.padEnd(22)}${code.padEnd(26)}${String(attempts).padStart(3)} tries  ${since.toISOString()}  ${reason}\n`);
  }
}
