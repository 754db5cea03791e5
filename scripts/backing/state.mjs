import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from './problem.mjs';
import { isAlive, self } from './processes.mjs';

const stateFile = (dir) => join(dir, 'backing.json');

/** What runs for this folder, as last recorded; undefined when nothing was. */
export function readState(dir) {
  try {
    return JSON.parse(readFileSync(stateFile(dir), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    // Written by rename, so never half a file: something else wrote here.
    throw new Problem(`${stateFile(dir)} cannot be read (${error.message}).`, 'Delete it after ending the servers it names, then try again.');
  }
}

/** Replaces the record in one step, so that a crash leaves the old one or the new one. */
export function writeState(dir, state) {
  const next = `${stateFile(dir)}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, stateFile(dir));
}

export const forgetState = (dir) => rmSync(stateFile(dir), { force: true });

/** Makes the folder; others may pass through it (the database's own user has to) but not list it. */
export function makeFolder(dir) {
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o711);
}

/** The passwords live as long as the data they guard. */
export function passwordsFor(dir) {
  const file = join(dir, 'passwords.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    const fresh = Object.fromEntries(['postgres', 'rabbitmq', 'redis'].map((name) => [name, randomBytes(18).toString('hex')]));
    writeFileSync(file, JSON.stringify(fresh), { mode: 0o600 });
    return fresh;
  }
}

/** Runs `work` while no other process does for this folder, waiting up to `waitMs` for it; a lock whose holder died is taken over. */
export async function alone(dir, work, { waitMs = 0, file = 'backing.lock' } = {}) {
  const lock = join(dir, file);
  const deadline = Date.now() + waitMs;
  for (let holder = takeLock(lock); holder !== undefined; holder = takeLock(lock)) {
    if (Date.now() > deadline) throw new Problem(`Process ${holder.pid} is already at work on ${dir}.`, 'Wait until it is done, or end it.');
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Takes the lock, or answers who holds it. */
function takeLock(lock) {
  for (;;) {
    try {
      writeFileSync(lock, JSON.stringify(self()), { mode: 0o600, flag: 'wx' });
      return undefined;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = holderOf(lock);
      if (isAlive(holder)) return holder;
      rmSync(lock, { force: true });
    }
  }
}

function holderOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
