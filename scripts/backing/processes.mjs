import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Names a process beyond its pid: pids are reused, pid and start time together are not.
 * Returns undefined when no such process runs (a zombie counts as gone: it holds nothing).
 */
export function startedAt(pid) {
  if (process.platform === 'linux') {
    try {
      // The command name may hold blanks and brackets; the fields after its last bracket are fixed (proc(5)).
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
      return fields[0] === 'Z' ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Describes the calling process as a record that `isAlive` and `endAll` understand. */
export const self = () => ({ name: 'owner', pid: process.pid, startedAt: startedAt(process.pid) });

/** Tells whether exactly this process still runs, not another one that inherited its pid. */
export const isAlive = (record) => record !== undefined && record !== null && startedAt(record.pid) === record.startedAt && record.startedAt !== undefined;

/**
 * Starts a process that outlives us, in a session of its own so that Ctrl-C reaches only us.
 * Its output is appended to `logFile`. Returns {name, pid, startedAt, stopSignal} to be recorded before anything else happens.
 */
export function launch({ name, command, args, env, cwd, logFile, account = {}, stopSignal = 'SIGTERM' }) {
  const output = openSync(logFile, 'a', 0o600);
  const child = spawn(command, args, { ...account, cwd, env, detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  child.on('error', () => { /* Seen by the readiness wait as a process that is not alive. */ });
  child.unref();
  return { name, pid: child.pid ?? -1, startedAt: child.pid === undefined ? undefined : startedAt(child.pid), stopSignal };
}

/**
 * Ends the recorded processes in order, each with its stop signal and, when it has not gone after `graceMs`, SIGKILL.
 * Safe to repeat; a pid that meanwhile belongs to another process is left alone.
 */
export async function endAll(records, graceMs = 20_000) {
  for (const record of records) {
    if (!isAlive(record)) continue;
    signal(record, record.stopSignal ?? 'SIGTERM');
    if (await gone(record, graceMs)) continue;
    signal(record, 'SIGKILL');
    await gone(record, 5_000);
  }
}

function signal(record, name) {
  try {
    process.kill(record.pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

async function gone(record, withinMs) {
  const deadline = Date.now() + withinMs;
  while (isAlive(record)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/**
 * Polls `ready` until it answers true. Answers 'ready', 'died' (one of `records` is gone) or 'late' (`withinMs` is over).
 * A throwing `ready` means not yet.
 */
export async function untilReady(ready, { records = [], withinMs, everyMs = 100 }) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    if (await Promise.resolve().then(ready).catch(() => false)) return 'ready';
    if (records.some((record) => !isAlive(record))) return 'died';
    if (Date.now() > deadline) return 'late';
    await sleep(everyMs);
  }
}

/** The last lines of a log, for an error message; empty when there is no such file. */
export function tailOf(file, lines = 8) {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}
