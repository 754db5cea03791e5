import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../backing/problem.mjs';
import { endAll, isAlive, launch, self, tailOf, untilReady } from '../backing/processes.mjs';
import { root } from './installation.mjs';
import { environmentOf, nodeEnvironment, nodeFlags } from './services.mjs';

/** A busy machine takes long to load six services at once; whoever waits sees it happen. */
const readyWithinMs = 150_000;
const stopWithinMs = 30_000;
const lookEveryMs = 500;
const usualLongestPauseMs = 30_000;
/** A process that ran this long has recovered: its next end starts counting anew. */
const steadyMs = 60_000;

/** What runs for an installation, as last recorded by whoever started it. */
export function readPlatform({ stateFile }) {
  try {
    return JSON.parse(readFileSync(stateFile, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Ends the recorded processes side by side; the broker and the databases are still there for them to finish with. */
export async function endRecorded(layout) {
  const state = readPlatform(layout);
  if (state === undefined) return;
  await Promise.all(state.processes.map((each) => endAll([each], stopWithinMs)));
  writeState(layout, { ...state, owner: null, processes: [] });
}

function writeState({ stateFile }, state) {
  const next = `${stateFile}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, stateFile);
}

/**
 * Starts the processes of one installation, records each before waiting for it, and starts again what ends by itself.
 */
export function createSupervisor({ layout, facts, log, longestPauseMs = usualLongestPauseMs, clockSkewMs = {} }) {
  const running = new Map();
  let watching = true;
  const record = () => writeState(layout, { owner: self(), ports: facts.ports, processes: [...running.values()].map(({ handle, url }) => ({ ...handle, url })) });
  record();

  function begin(definition, { name = definition.name, port = facts.ports[definition.name], more = {} } = {}) {
    const logFile = join(layout.logs, `${name}.log`);
    const env = { ...inherited(), ...nodeEnvironment, ...environmentOf(definition, { ...facts, ports: { ...facts.ports, [definition.name]: port } }), ...more };
    const skewMs = clockSkewMs[definition.name];
    if (skewMs !== undefined) env.WRIT_TEST_CLOCK_SKEW_MS = String(skewMs);
    const flags = skewMs === undefined ? nodeFlags : [...nodeFlags, '--import', join(root, 'scripts/platform/skewed-clock.mjs')];
    const handle = launch({ name, command: process.execPath, args: [...flags, definition.entry], cwd: root, env, logFile });
    const entry = { definition, name, port, more, handle, logFile, url: `${facts.scheme}://${facts.host}:${port}`, began: Date.now(), failures: 0 };
    running.set(name, entry);
    record();
    return entry;
  }

  async function ready({ name, url, handle, logFile }) {
    const outcome = await untilReady(async () => (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok, { records: [handle], withinMs: readyWithinMs });
    if (outcome === 'ready') return;
    const what = outcome === 'died' ? 'ended while starting' : `was not ready after ${readyWithinMs / 1000} s`;
    throw new Problem(`${name} ${what}.`, `Read ${logFile}, which ends:\n${tailOf(logFile).replace(/^/gm, '    ')}`);
  }

  async function revive(entry) {
    entry.failures = Date.now() - entry.began > steadyMs ? 1 : entry.failures + 1;
    const pauseMs = Math.min(500 * 2 ** entry.failures, longestPauseMs);
    log(`${entry.name} ended by itself; it starts again in ${pauseMs / 1000} s (log: ${entry.logFile})`);
    running.delete(entry.name);
    await sleep(pauseMs);
    if (!watching || running.has(entry.name)) return;
    begin(entry.definition, entry).failures = entry.failures;
  }

  return {
    /** Starts a process and waits until it is ready; with another name and port, one more replica of it, told `more` by its environment. */
    async start(definition, options) { await ready(begin(definition, options)); },
    /** Looks after everything started so far, until `stop`. */
    async watch() {
      while (watching) {
        for (const entry of [...running.values()]) if (!isAlive(entry.handle)) void revive(entry);
        await sleep(lookEveryMs);
      }
    },
    /** Ends one process as an operator would, and starts it anew. */
    async restart(name) {
      const entry = running.get(name);
      if (entry === undefined) return;
      running.delete(name);
      await endAll([entry.handle], stopWithinMs);
      if (watching) await ready(begin(entry.definition, entry));
    },
    names: () => [...running.keys()],
    async stop() {
      watching = false;
      running.clear();
      await endRecorded(layout);
    },
  };
}

/** Neither our own WRIT_ variables nor npm's reach the services: they get exactly what the table names. */
const inherited = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WRIT_|npm_|NODE_OPTIONS$|NODE_ENV$)/.test(name)));
