import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alone } from './backing/state.mjs';
import { Problem } from './backing/problem.mjs';
import { createReporter, createTerminal, errorText } from './platform/terminal.mjs';

/**
 * The door of every npm script. It runs on any Node from 20.19 with nothing installed, so it uses built-in modules
 * only; it sees to the dependencies and hands over to the Node version that this workspace pins among them.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const pinnedNode = join(root, 'node_modules/node/bin/node');
const oldest = [20, 19];
const installWithinMs = 10 * 60_000;

/** Whether what is installed is what the lock names; packages for other platforms may be absent. */
function isInstalled() {
  const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map(readPackages);
  if (wanted === undefined || present === undefined || !existsSync(pinnedNode)) return false;
  return Object.entries(wanted).every(([path, { version, link, optional, peer }]) => {
    // A workspace that came with a pull is a link that is not there yet.
    if (link) return existsSync(join(root, path));
    return !path.startsWith('node_modules/') || (optional || peer) && present[path] === undefined || present[path]?.version === version;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function install(reporter) {
  mkdirSync(join(root, '.writ'), { recursive: true });
  await alone(join(root, '.writ'), async () => {
    if (isInstalled()) return;
    await reporter.step('dependencies', async ({ note }) => {
      note('installing what package-lock.json names');
      const first = await withPinnedNode(await npm(['ci', '--ignore-scripts']));
      if (first.code === 0 && isInstalled()) return 'installed';
      // A registry may lack a binary for some other platform, on which `npm ci` insists; the lock stays as it is either way.
      note('npm ci did not succeed; trying npm install');
      const second = await withPinnedNode(await npm(['install', '--ignore-scripts']));
      if (second.code === 0 && existsSync(pinnedNode)) return 'installed';
      throw new Problem('The dependencies could not be installed.', `Check the network and the npm registry, then try again. npm said:\n${second.output.trim().split('\n').slice(-12).join('\n').replace(/^/gm, '    ')}`);
    });
  }, { waitMs: installWithinMs, file: 'install.lock' });
}

/** No package's script runs but the one that fetches the pinned Node; an npm that does not know `allowScripts` would run them all. */
async function withPinnedNode(installed) {
  return installed.code === 0 ? npm(['rebuild', 'node']) : installed;
}

/** Under a Node from outside this workspace: npm has our own in the path, and the first thing an install does is to delete it. */
function npm(args) {
  const env = { ...process.env, PATH: (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(join(root, 'node_modules'))).join(delimiter) };
  // npm tells its children where its program is; started by hand, the one in the path will do.
  const [command, first] = process.env.npm_execpath ? ['node', [process.env.npm_execpath]] : ['npm', []];
  return new Promise((resolve) => {
    const child = spawn(command, [...first, ...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], signal: AbortSignal.timeout(installWithinMs) });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
    child.once('error', ({ message }) => resolve({ code: 1, output: `${output}\n${message}` })).once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs the command under the pinned Node and ends as it ends. */
function handOver(args) {
  const path = [join(root, 'node_modules/node/bin'), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  const child = spawn(pinnedNode, [join(root, 'scripts/platform/main.mjs'), ...args], { stdio: 'inherit', env: { ...process.env, PATH: path } });
  // Ctrl-C reaches the child by itself, because it shares our terminal; it decides when we are done.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => { process.exitCode = signal === null ? code : 1; });
}

try {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) throw new Problem(`Node ${process.versions.node} is too old to begin with.`, `Install Node ${oldest.join('.')} or later; the workspace brings its own from there on.`);
  if (!isInstalled()) await install(createReporter(createTerminal(process.stderr).show));
  handOver(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`\n${errorText(error)}\n`);
  process.exitCode = 1;
}
