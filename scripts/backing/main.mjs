import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runningBacking, startBacking, stopBacking } from './backing.mjs';
import { Problem } from './problem.mjs';

const usage = 'usage: node scripts/backing/main.mjs up|down|status [--dir FOLDER] [--fresh]';
const say = (line) => process.stdout.write(`${line}\n`);

// Whoever reads our output may leave before we are done.
process.stdout.on('error', (error) => { if (error.code !== 'EPIPE') throw error; });

/** The environment under which the integration tests find this set. */
const exportsOf = (dir, set) => Object.entries({
  WRIT_TEST_BACKING: join(dir, 'backing.json'),
  WRIT_TEST_POSTGRES_URL: set.postgresUrl,
  WRIT_TEST_AMQP_URL: set.amqpUrl,
  WRIT_TEST_AMQP_MANAGEMENT_URL: set.amqpManagementUrl,
  WRIT_TEST_REDIS_URL: set.redisUrl,
}).filter(([, value]) => value !== undefined).map(([name, value]) => `export ${name}='${value}'`).join('\n');

async function up(dir, fresh) {
  const interrupted = async () => { await stopBacking(dir).catch(() => {}); process.exit(130); };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const set = (!fresh && runningBacking(dir)) || await startBacking({ dir, name: 'development', log: say, fresh, stays: true });
  const envFile = join(dir, 'env.sh');
  writeFileSync(envFile, `${exportsOf(dir, set)}\n`, { mode: 0o600 });
  say(`running; environment: . ${envFile}`);
}

function status(dir) {
  const set = runningBacking(dir);
  say(set === undefined ? 'not running' : exportsOf(dir, set));
  if (set === undefined) process.exitCode = 1;
}

try {
  const { positionals: [command], values } = parseArgs({ allowPositionals: true, options: { dir: { type: 'string' }, fresh: { type: 'boolean' } } });
  const dir = resolve(values.dir ?? fileURLToPath(new URL('../../.writ/dev-backing', import.meta.url)));
  if (command === 'up') await up(dir, values.fresh === true);
  else if (command === 'down') { await stopBacking(dir); say('stopped'); }
  else if (command === 'status') status(dir);
  else throw new Problem('No such command.', usage);
} catch (error) {
  process.stderr.write(`${error instanceof Problem ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
