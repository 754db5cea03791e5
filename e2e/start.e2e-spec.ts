import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { isAlive, type ProcessRecord } from '../scripts/backing/processes.mjs';
import { need, until } from './platform.js';

/** What somebody who types `npm start` meets, in a checkout of its own beside this one. */
const root = join(import.meta.dirname, '..');
const own = ['.git', '.nx', '.writ', 'scripts'];
/** Where the request service listens when nobody else does. */
const usualPort = 4_001;
let checkout: string;
let taken: Server;
const running: ChildProcess[] = [];

beforeAll(async () => {
  checkout = mkdtempSync(join(tmpdir(), 'writ-start-'));
  cpSync(join(root, 'scripts'), join(checkout, 'scripts'), { recursive: true });
  for (const name of readdirSync(root)) if (!own.includes(name)) symlinkSync(join(root, name), join(checkout, name));
  taken = createServer().listen(usualPort, '127.0.0.1');
  // Whoever else has the port takes it from the platform as well.
  await Promise.race([once(taken, 'listening'), once(taken, 'error')]).catch(() => undefined);
});
afterAll(async () => {
  await writ('stop').ended;
  for (const child of running) child.kill('SIGKILL');
  taken.close();
  rmSync(checkout, { recursive: true, force: true });
});

function writ(...args: string[]) {
  return writWith({}, ...args);
}

function writWith(env: Record<string, string>, ...args: string[]) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(WRIT_|NODE_OPTIONS$)/.test(name));
  const child = spawn(process.execPath, [join(checkout, 'scripts/bootstrap.mjs'), ...args], { cwd: checkout, env: { ...Object.fromEntries(inherited), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  return ends(child);
}

function ends(child: ChildProcessByStdio<null, Readable, Readable>) {
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text; });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, output }));
  return { child, ended, output: () => output };
}

/** Everything that the checkout has recorded as started and that lives. */
function alive(): string[] {
  const read = (file: string) => {
    try {
      return (JSON.parse(readFileSync(join(checkout, '.writ', file), 'utf8')) as { processes: (ProcessRecord & { name: string })[] }).processes;
    } catch {
      return [];
    }
  };
  return [...read('platform.json'), ...read('backing/backing.json')].filter(isAlive).map(({ name }) => name);
}

const backing = () => JSON.parse(readFileSync(join(dirname(need('WRIT_PLATFORM_STATE')), 'backing/backing.json'), 'utf8')) as Record<'postgresUrl' | 'amqpUrl' | 'amqpManagementUrl' | 'redisUrl', string>;

describe('npm start', () => {
  it('says in one sentence that a server it was given does not answer, with the remedy, and leaves nothing behind', async () => {
    const { code, output } = await writWith({ WRIT_BACKING_REDIS_URL: 'redis://127.0.0.1:1' }, 'start').ended;
    expect(code).toBe(1);
    expect(output).toContain('Redis does not answer at 127.0.0.1:1. Check WRIT_BACKING_REDIS_URL, or unset it to have one started here.');
    expect(output).not.toMatch(/\n {4}at /);
    expect(alive()).toEqual([]);
  });

  it('says what is wrong with an address that is none', async () => {
    const { code, output } = await writWith({ WRIT_BACKING_POSTGRES_URL: 'localhost-5432' }, 'start').ended;
    expect(code).toBe(1);
    expect(output).toContain('WRIT_BACKING_POSTGRES_URL is not a URL. Give it as in postgres://');
    expect(alive()).toEqual([]);
  });

  it('says that a broker refuses it, or what its operator has to do, and leaves nothing behind', async () => {
    const { postgresUrl, amqpUrl, amqpManagementUrl, redisUrl } = backing();
    const given = { WRIT_BACKING_POSTGRES_URL: postgresUrl, WRIT_BACKING_AMQP_URL: amqpUrl, WRIT_BACKING_REDIS_URL: redisUrl, NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS ?? '' };
    const wrong = new URL(amqpManagementUrl);
    wrong.password = 'mistyped';
    const refused = await writWith({ ...given, WRIT_BACKING_AMQP_MANAGEMENT_URL: wrong.href }, 'start').ended;
    const left = await writWith(given, 'start').ended;
    expect(refused.output).toContain('RabbitMQ refuses the management credentials. Check user and password in WRIT_BACKING_AMQP_MANAGEMENT_URL');
    expect(left.output).toMatch(/Set WRIT_BACKING_AMQP_MANAGEMENT_URL, or have the broker's operator run \S+broker-commands\.sh/);
    for (const { code, output } of [refused, left]) {
      expect(code).toBe(1);
      expect(output).not.toContain('mistyped');
      expect(output).not.toMatch(/\n {4}at /);
    }
    expect(alive()).toEqual([]);
  });

  it('installs what a newer lock names, though npm runs it on the very Node that this deletes', async () => {
    const old = mkdtempSync(join(tmpdir(), 'writ-old-'));
    cpSync(join(root, 'scripts'), join(old, 'scripts'), { recursive: true });
    const lock = (version: string) => JSON.stringify({ packages: { 'node_modules/node': { version } } });
    writeFileSync(join(old, 'package-lock.json'), lock('2.0.0'));
    mkdirSync(join(old, 'node_modules/node/bin'), { recursive: true });
    writeFileSync(join(old, 'node_modules/.package-lock.json'), lock('1.0.0'));
    const node = join(old, 'node_modules/node/bin/node');
    copyFileSync(process.execPath, node);
    const npm = join(old, 'npm.mjs');
    writeFileSync(npm, `import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
      if (process.argv[2] === 'ci') rmSync('node_modules', { recursive: true });
      mkdirSync('node_modules/node/bin', { recursive: true });
      writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(lock('2.0.0'))});
      if (process.argv[2] === 'rebuild') writeFileSync('node_modules/node/bin/node', '#!/bin/sh\\necho handed over to the new one', { mode: 0o755 });`);
    try {
      const { code, output } = await ends(spawn(node, [join(old, 'scripts/bootstrap.mjs'), 'start'], {
        cwd: old, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: `${dirname(node)}:${dirname(process.execPath)}:${process.env.PATH}`, npm_execpath: npm },
      })).ended;
      expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('handed over to the new one') });
    } finally {
      rmSync(old, { recursive: true });
    }
  });

  it('refuses an option that it does not know, and a command that there is not', async () => {
    expect(await writ('start', '--detatch').ended).toMatchObject({ code: 1, output: expect.stringContaining('usage: npm start [-- --detach]') });
    expect(await writ('strat').ended).toMatchObject({ code: 1, output: expect.stringContaining('There are: start, dev, stop') });
  });

  it('ends on Ctrl-C at any moment, and leaves nothing running', async () => {
    const { child, ended, output } = writ('start', '--no-walk');
    await until('a server to be up', () => /ready after/.test(output()), 60_000);
    // A terminal tells the whole foreground group; the program that was typed passes SIGTERM on.
    child.kill('SIGTERM');
    const { code } = await ended;
    expect(code).toBe(130);
    expect(output()).toContain('Interrupted; nothing is left running.');
    expect(alive()).toEqual([]);
  }, 90_000);

  it('stays in the background where that is asked for, beside whoever has the usual ports, once, until npm stop', async () => {
    const started = await writ('start', '--detach', '--no-walk').ended;
    expect(started).toMatchObject({ code: 0, output: expect.stringContaining('npm stop') });
    expect(started.output).toMatch(/the usual ports were taken, so these listen elsewhere: .*request \d+/);
    expect(alive()).toEqual(expect.arrayContaining(['request', 'issuer', 'console', 'signer', 'rabbitmq', 'redis']));

    const second = await writ('start').ended;
    expect(second).toMatchObject({ code: 1, output: expect.stringMatching(/Writ already runs here \(process \d+\); .* end it first: npm stop/) });
    expect(alive()).toContain('request');

    expect(await writ('parked', 'replay', 'issuer', '17').ended).toMatchObject({ code: 1, output: expect.stringContaining('issuer: 0 tried again; 1 of these ids is not parked here') });
    expect(await writ('parked', 'replay', 'issuer', 'all').ended).toMatchObject({ code: 1, output: expect.stringContaining('An id is a number') });

    expect(await writ('stop').ended).toMatchObject({ code: 0, output: expect.stringContaining('everything has ended') });
    expect(alive()).toEqual([]);
    expect(await writ('stop').ended).toMatchObject({ code: 0, output: expect.stringContaining('nothing was running') });
  }, 180_000);
});
