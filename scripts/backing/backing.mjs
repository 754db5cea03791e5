import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { installPackages, serverPackages } from './binaries.mjs';
import { composeAnswers, startComposed, stopComposed } from './compose.mjs';
import { exchange, freePort } from './ports.mjs';
import { dataFolder, findPostgres, leftoverPostgres, startPostgres } from './postgres.mjs';
import { Problem } from './problem.mjs';
import { endAll, isAlive, self, tailOf } from './processes.mjs';
import { findRabbit, startRabbit } from './rabbitmq.mjs';
import { findRedis, startRedis } from './redis.mjs';
import { alone, forgetState, makeFolder, passwordsFor, readState, writeState } from './state.mjs';

const titles = { postgres: 'PostgreSQL', rabbitmq: 'RabbitMQ', redis: 'Redis' };
const finders = { postgres: findPostgres, rabbitmq: findRabbit, redis: findRedis };
const exampleUrls = { postgres: 'postgres://user:password@127.0.0.1:5432/postgres', rabbitmq: 'amqp://user:password@127.0.0.1:5672', redis: 'redis://127.0.0.1:6379' };
const given = { postgres: 'WRIT_BACKING_POSTGRES_URL', rabbitmq: 'WRIT_BACKING_AMQP_URL', redis: 'WRIT_BACKING_REDIS_URL' };

/**
 * Provides PostgreSQL, RabbitMQ and Redis: by URL from the environment, else in containers where an engine answers,
 * else from the programs on this machine, else after installing those. What it starts listens on 127.0.0.1 only.
 *
 * Every process is recorded in `<dir>/backing.json` before it is waited for; a start after a crash ends those first.
 * A failure ends what had been started and throws a Problem with its remedy.
 *
 * @param {{dir: string, name: string, log?: (line: string) => void, fresh?: boolean, own?: boolean, killable?: boolean, stays?: boolean, tls?: {ca: string, cert: string, key: string}}} options
 *   `fresh` begins with empty data and ends with none; `own` takes no servers that others gave, whose data is not ours to
 *   wipe; `killable` starts programs, never containers (see failure.mjs); `stays` lets the servers outlive the calling process on purpose; with `tls` what is
 *   started here answers over TLS alone; containers are used then only where the programs are not there, and stay in
 *   plain text on the loopback address.
 * @returns {Promise<{postgresUrl: string, amqpUrl: string, amqpManagementUrl: string | undefined, redisUrl: string, pids: number[], stop: () => Promise<void>}>}
 */
export async function startBacking({ dir: folder, name, log = () => {}, fresh = false, own = false, killable = false, stays = false, tls }) {
  const dir = resolve(folder);
  makeFolder(dir);
  return alone(dir, async () => {
    await endLeftovers(dir, log);
    if (fresh) forgetData(dir);
    const state = { name, dir, owner: stays ? null : self(), disposable: fresh, ready: false, processes: [], ports: readPorts(dir) };
    const record = (change) => { Object.assign(state, change); writeState(dir, state); };
    try {
      const found = await provide({ dir, log, state, record, tls, own, killable });
      record({
        ready: true, postgresUrl: found.postgres.url, amqpUrl: found.rabbitmq.url, amqpManagementUrl: found.rabbitmq.managementUrl, redisUrl: found.redis.url,
      });
    } catch (error) {
      await endRecorded(dir);
      throw error;
    }
    return runningSet(state);
  });
}

/** The set recorded for `dir` when it runs and is ready, else undefined. */
export function runningBacking(dir) {
  const state = readState(resolve(dir));
  return state?.ready === true && state.processes.every(isAlive) ? runningSet(state) : undefined;
}

/** Ends exactly the processes recorded for `dir`, whoever started them. Data stays. */
export async function stopBacking(folder) {
  const dir = resolve(folder);
  if (readState(dir) !== undefined) await alone(dir, () => endRecorded(dir), { waitMs: 60_000 });
}

const runningSet = ({ dir, owner, postgresUrl, amqpUrl, amqpManagementUrl, redisUrl, processes }) => ({
  postgresUrl, amqpUrl, amqpManagementUrl, redisUrl, owner, pids: processes.map(({ pid }) => pid), stop: () => stopBacking(dir),
});

async function provide({ dir, log, state, record, tls, own, killable }) {
  const names = Object.keys(titles);
  const byUrl = names.filter((name) => !own && process.env[given[name]]);
  const found = Object.fromEntries(await Promise.all(byUrl.map(async (name) => [name, await useGiven(name, log)])));
  const missing = names.filter((name) => !byUrl.includes(name));
  if (missing.length === 0) return found;

  const ports = await choosePorts(state.ports);
  record({ ports });
  const passwords = passwordsFor(dir);
  if (!killable && (tls === undefined || missing.some((name) => finders[name]() === undefined)) && composeAnswers()) {
    const composed = await startComposed({ wanted: missing, dir, ports, passwords, log, record: (compose) => record({ compose }) });
    if (composed !== undefined) return { ...composed, ...found };
    record({ compose: undefined });
    log(`Docker Compose could not start the containers (see ${join(dir, 'compose.log')}); using the programs on this machine`);
  }
  return { ...await startLocal({ names: missing, dir, log, record, state, ports, passwords, tls }), ...found };
}

async function useGiven(name, log) {
  if (!URL.canParse(process.env[given[name]])) throw new Problem(`${given[name]} is not a URL.`, `Give it as in ${exampleUrls[name]}, or unset it to have ${titles[name]} started here.`);
  const url = new URL(process.env[given[name]]);
  const port = Number(url.port || { postgres: 5432, rabbitmq: 5672, redis: 6379 }[name]);
  await exchange({ host: url.hostname, port, timeoutMs: 5_000 }).catch((cause) => {
    throw new Problem(`${titles[name]} does not answer at ${url.hostname}:${port}.`, `Check ${given[name]}, or unset it to have one started here.`, { cause });
  });
  log(`${titles[name].padEnd(12)}${url.hostname}:${port}  given by ${given[name]}`);
  return { url: url.href, managementUrl: name === 'rabbitmq' ? process.env.WRIT_BACKING_AMQP_MANAGEMENT_URL : undefined };
}

async function startLocal({ names, dir, log, record, state, ports, passwords, tls }) {
  const absent = () => names.filter((name) => finders[name]() === undefined);
  if (absent().length > 0) await installPackages({ dir, log, packages: serverPackages });
  if (absent().length > 0) throw missingPrograms(absent(), dir);
  const remember = (server) => record({ processes: [...state.processes, server] });
  const data = names.includes('postgres') ? dataFolder(dir) : undefined;
  record({ postgresData: data });
  const starters = {
    postgres: () => startPostgres({ bin: findPostgres(), dir, data, port: ports.postgres, password: passwords.postgres, tls, record: remember }),
    rabbitmq: () => startRabbit({ bin: findRabbit(), dir, ports, password: passwords.rabbitmq, tls, record: remember }),
    redis: () => startRedis({ bin: findRedis(), dir, port: ports.redis, password: passwords.redis, tls, record: remember }),
  };
  // All are awaited even when one fails: only then is nothing still being started while the rest is being ended.
  const settled = await Promise.allSettled(names.map(async (name) => [name, await startOne(name, starters[name], log)]));
  const failed = settled.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  return Object.fromEntries(settled.map(({ value }) => value));
}

async function startOne(name, starter, log) {
  const began = performance.now();
  const { outcome, logFile, ...server } = await starter();
  if (outcome === 'ready') {
    log(`${titles[name].padEnd(12)}127.0.0.1:${new URL(server.url).port}  ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return server;
  }
  const what = outcome === 'died' ? 'ended while starting' : 'was not ready in time';
  throw new Problem(`${titles[name]} ${what}.`, `Read ${logFile}, which ends:\n${tailOf(logFile).replace(/^/gm, '    ')}`);
}

function missingPrograms(absent, dir) {
  const attempt = tailOf(join(dir, 'apt.log'), 3);
  return new Problem(
    `${absent.map((name) => titles[name]).join(' and ')} cannot be found on this machine, and no Docker engine answers.`,
    `Install the packages rabbitmq-server, postgresql and redis-server, start Docker, or name running servers in ${absent.map((name) => given[name]).join(', ')}.${attempt && `\nInstalling them failed:\n${attempt.replace(/^/gm, '    ')}`}`,
  );
}

/** The ports of the last run are taken again where they are free, so that what was noted down keeps working. */
async function choosePorts(last) {
  const taken = new Set();
  const ports = {};
  for (const key of ['postgres', 'amqp', 'management', 'redis', 'epmd', 'distribution']) ports[key] = await freePort(last?.[key], taken);
  return ports;
}

const readPorts = (dir) => readState(dir)?.ports;

async function endLeftovers(dir, log) {
  const state = readState(dir);
  if (state === undefined) return;
  const running = state.processes.filter(isAlive);
  if (state.owner?.pid !== process.pid && isAlive(state.owner)) {
    throw new Problem(`Process ${state.owner.pid} already runs servers in ${dir}.`, 'Stop it first, or choose another folder.');
  }
  if (running.length > 0) log(`ending ${running.map(({ name }) => name).join(', ')} left over from an earlier run`);
  await endRecorded(dir);
}

/** The newest first: the broker goes before the port mapper that it is registered with. */
async function endRecorded(dir) {
  const state = readState(dir);
  if (state === undefined) return;
  const lost = state.postgresData === undefined ? [] : leftoverPostgres(state.postgresData);
  const broker = state.processes.filter(({ name }) => name === 'rabbitmq' || name === 'epmd').reverse();
  const others = [...state.processes.filter((server) => !broker.includes(server)), ...lost];
  // A broker whose data nobody will read again need not put it in order first, which takes it seconds.
  const brokerMayTakeMs = state.disposable ? 0 : undefined;
  await Promise.all([endAll(broker, brokerMayTakeMs), ...others.map((server) => endAll([server]))]);
  if (state.compose) await stopComposed(state.compose, { withData: state.disposable });
  writeState(dir, { ...state, owner: null, ready: false, processes: [], compose: undefined });
  if (state.disposable) removeData(dir, state.postgresData);
}

function forgetData(dir) {
  const data = readState(dir)?.postgresData;
  forgetState(dir);
  removeData(dir, data);
}

/** The database's folder may lie elsewhere (see `dataFolder`). */
function removeData(dir, postgresData = join(dir, 'postgres')) {
  for (const folder of [postgresData, join(dir, 'rabbitmq'), join(dir, 'redis')]) rmSync(folder, { recursive: true, force: true });
}
