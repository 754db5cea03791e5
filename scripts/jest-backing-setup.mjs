import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runningBacking, startBacking, stopBacking } from './backing/backing.mjs';
import { inPath, installPackages } from './backing/binaries.mjs';
import { isAlive } from './backing/processes.mjs';
import { Problem } from './backing/problem.mjs';
import { readState } from './backing/state.mjs';

const runFolder = fileURLToPath(new URL('../.writ', import.meta.url));
const say = (line) => process.stderr.write(`  ${line}\n`);

/** Gives the integration tests real servers: the set that WRIT_TEST_BACKING names, else a fresh one that ends with the run. */
export default async function provideBacking() {
  const set = process.env.WRIT_TEST_BACKING ? named(process.env.WRIT_TEST_BACKING) : await startOwn();
  await provideJudges();
  Object.assign(process.env, {
    WRIT_TEST_POSTGRES_URL: set.postgresUrl,
    WRIT_TEST_AMQP_URL: set.amqpUrl,
    WRIT_TEST_AMQP_MANAGEMENT_URL: set.amqpManagementUrl ?? '',
    WRIT_TEST_REDIS_URL: set.redisUrl,
  });
}

/**
 * Programs of others that judge what we made: Go with its own transparency logs, and a browser. A machine where they
 * cannot be installed tests the rest, and those tests say in their names what they did not do.
 */
async function provideJudges() {
  const judges = { go: ['golang-go', 'golang-golang-x-mod-dev'], chromium: ['chromium'] };
  const packages = Object.entries(judges).flatMap(([program, names]) => (inPath(program) === undefined ? names : []));
  if (packages.length === 0) return;
  mkdirSync(runFolder, { recursive: true });
  await installPackages({ dir: runFolder, log: say, packages });
}

function named(file) {
  const set = runningBacking(dirname(file));
  if (set === undefined) throw new Problem(`The servers that WRIT_TEST_BACKING names (${file}) do not run.`, 'Start them with: node scripts/backing/main.mjs up --dir FOLDER, or unset the variable.');
  return set;
}

async function startOwn() {
  await sweep();
  const dir = folderForThisRun();
  globalThis.writTestBacking = dir;
  const interrupted = () => stopBacking(dir).finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  return startBacking({ dir, name: 'test', log: say, fresh: true });
}

/** Two test runs in one checkout do not share servers: the second gets a folder of its own, gone after it. */
function folderForThisRun() {
  const usual = join(runFolder, 'test');
  return isAlive(readState(usual)?.owner) ? `${usual}-${process.pid}` : usual;
}

/** Ends and removes what second runs left behind when they were killed. */
async function sweep() {
  if (!existsSync(runFolder)) return;
  for (const name of readdirSync(runFolder).filter((entry) => /^test-\d+$/.test(entry))) {
    const dir = join(runFolder, name);
    if (isAlive(readState(dir)?.owner)) continue;
    await stopBacking(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}
