import { resolve } from 'node:path';
import { findPostgres, startPostgres } from './postgres.mjs';
import { Problem } from './problem.mjs';
import { endAll, isAlive, tailOf } from './processes.mjs';
import { findRedis, startRedis } from './redis.mjs';
import { alone, passwordsFor, readState, writeState } from './state.mjs';

/** Neither shuts down: PostgreSQL drops everything and recovers at its next start (immediate mode), Redis is gone. */
const killedBy = { postgres: 'SIGQUIT', redis: 'SIGKILL' };
const starters = {
  postgres: ({ dir, postgresData, ports }, password, record) => startPostgres({ bin: findPostgres(), dir, data: postgresData, port: ports.postgres, password, record }),
  redis: ({ dir, ports }, password, record) => startRedis({ bin: findRedis(), dir, port: ports.redis, password, record }),
};

/** Kills PostgreSQL or Redis of the set in `dir`; no other process, whatever its name. For a set that is `killable`, without TLS. */
export async function killServer(dir, name) {
  await endAll([{ ...recordOf(readState(resolve(dir)), name), stopSignal: killedBy[name] }]);
}

/** Starts a killed server again: same data, same port, same password. It is recorded before it is waited for. */
export async function startAgain(folder, name) {
  const dir = resolve(folder);
  await alone(dir, async () => {
    const state = readState(dir);
    const dead = recordOf(state, name);
    if (isAlive(dead)) throw new Problem(`${name} of ${dir} still runs.`, 'Kill it first.');
    const record = (server) => writeState(dir, { ...state, processes: state.processes.map((each) => (each === dead ? server : each)) });
    const { outcome, logFile } = await starters[name](state, passwordsFor(dir)[name], record);
    if (outcome !== 'ready') throw new Problem(`${name} did not start again (${outcome}).`, `Read ${logFile}, which ends:\n${tailOf(logFile)}`);
  });
}

function recordOf(state, name) {
  const record = state?.processes.find((server) => server.name === name);
  if (record === undefined) throw new Problem(`No ${name} was started here as a process.`, 'Start the set with `killable`.');
  return record;
}
