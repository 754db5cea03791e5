import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Problem } from '../backing/problem.mjs';
import { watchSources } from './dev.mjs';
import { layoutOf, makeFolders, root } from './installation.mjs';
import { startPlatform, stopPlatform } from './platform.mjs';
import { createReporter, createTerminal, errorText } from './terminal.mjs';
import { runWalk } from './walk.mjs';

const dir = join(root, '.writ');
const usage = 'usage: npm start [-- --detach] [--no-walk] [--tls]';

/** Starts everything and stays until Ctrl-C, or with --detach leaves a process behind that does. */
export async function run({ name, args }) {
  const options = parse(args);
  const terminal = createTerminal();
  if (options.detach) return detach(name, args, terminal);
  if (options.supervise) return superviseAlone(name, options);
  terminal.show({ kind: 'line', text: `\n  ${terminal.paint(1, 'Writ')}\n` });
  const { watching } = await bringUp(name, options, createReporter(terminal.show));
  await watching;
  return 0;
}

function parse(args) {
  try {
    return parseArgs({ args, options: { detach: { type: 'boolean' }, supervise: { type: 'boolean' }, 'no-walk': { type: 'boolean' }, tls: { type: 'boolean', default: process.env.WRIT_PLATFORM_TLS === '1' } } }).values;
  } catch (error) {
    throw new Problem(`${error.message}.`, usage);
  }
}

/** `watching` ends when somebody asks us to stop and everything has ended. */
async function bringUp(name, options, reporter) {
  let platform;
  let asked = false;
  const stopAsked = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        if (asked) return;
        asked = true;
        resolve();
        // Before everything runs there is nobody to hand over to: what was recorded ends, and so do we.
        if (platform === undefined) void stopPlatform(dir).then(() => reporter.line('\n  Interrupted; nothing is left running.')).finally(() => process.exit(130));
      });
    }
  });
  platform = await startPlatform({ dir, name: 'local', reporter, wellKnown: true, tls: options.tls });
  void platform.supervisor.watch();
  try {
    if (name !== 'dev' && !options['no-walk']) await runWalk(platform, reporter);
  } catch (error) {
    await platform.stop();
    throw error;
  }
  const stopDev = name === 'dev' ? watchSources(platform.supervisor, reporter) : () => {};
  closingWords(platform, reporter, options);
  const watching = stopAsked.then(async () => {
    reporter.line('');
    stopDev();
    await reporter.step('stopping', async () => { await platform.stop(); return 'everything has ended; data stays in .writ'; });
  });
  return { watching };
}

function closingWords({ env, layout }, { line }, { supervise }) {
  const address = (label, url, words) => line(`    ${label.padEnd(16)}${url.padEnd(30)}${words}`);
  line('');
  line('  Running. Open or call:');
  address('console', env.WRIT_CONSOLE_URL, 'in a browser: requests, reviews, tokens');
  address('identity', env.WRIT_OIDC_ISSUER, 'development people, sign in as any of them');
  for (const [name, words] of [['request', 'ask for tokens'], ['policy', 'reviews and policy sets'], ['issuer', 'claim, verify, revoke'], ['rotation', 'rotate, forecast'], ['audit', '/checkpoint, proofs'], ['monitor', 'alerts, usage']]) {
    address(name, env[`WRIT_${name.toUpperCase()}_URL`], words);
  }
  line('');
  line(`  Addresses and tokens:  set -a; . ${layout.envFile}; set +a`);
  line(`  Logs:                  ${layout.logs}`);
  line('  Command line:          npm run writ -- --help');
  line(supervise ? '  Stop:                  npm stop' : '  Stop:                  Ctrl-C, or npm stop elsewhere');
}

/** The process that stays: it reports to its parent as long as that listens, and writes to its own log. */
async function superviseAlone(name, options) {
  const tell = (event) => { if (process.connected) process.send(event, () => {}); else if (event.kind === 'line') process.stdout.write(`${event.text}\n`); };
  try {
    const { watching } = await bringUp(name, options, createReporter(tell));
    tell({ kind: 'up' });
    await watching;
    return 0;
  } catch (error) {
    tell({ kind: 'error', text: errorText(error) });
    return 1;
  }
}

function detach(name, args, terminal) {
  const layout = layoutOf(dir);
  makeFolders(layout);
  const output = openSync(join(layout.logs, 'supervisor.log'), 'a', 0o600);
  terminal.show({ kind: 'line', text: `\n  ${terminal.paint(1, 'Writ')}\n` });
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [process.argv[1], name, '--supervise', ...args.filter((arg) => arg !== '--detach')], { cwd: root, detached: true, stdio: ['ignore', output, output, 'ipc'] });
    const interrupt = () => child.kill('SIGTERM');
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    const finish = (code) => { child.removeAllListeners(); if (child.connected) child.disconnect(); child.unref(); resolve(code); };
    child.on('message', (event) => {
      if (event.kind === 'error') process.stderr.write(`\n${event.text}\n`);
      else if (event.kind === 'up') finish(0);
      else terminal.show(event);
    });
    child.once('exit', (code) => finish(code === 0 ? 1 : code ?? 1));
  });
}
