import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const folders = () => [...new Set([...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'])];

/** The full path of a program, or undefined; system folders are searched even where a user's PATH leaves them out. */
export const inPath = (name) => folders().filter(Boolean).map((folder) => join(folder, name)).find(isExecutable);

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end with its output in `logFile`; answers whether it succeeded within `timeoutMs`. */
export function run(command, args, { logFile, timeoutMs, env = process.env, cwd }) {
  const output = logFile === undefined ? 'ignore' : openSync(logFile, 'a', 0o600);
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', output, output], timeout: timeoutMs });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  }).finally(() => { if (typeof output === 'number') closeSync(output); });
}

export const serverPackages = ['rabbitmq-server', 'postgresql', 'redis-server'];

/** Installs some of the distribution's packages, where this user may and apt-get exists; answers whether it did. None of their services is started. */
export async function installPackages({ dir, log, packages }) {
  if (process.getuid?.() !== 0 || inPath('apt-get') === undefined) return false;
  log(`installing ${packages.join(', ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const logFile = join(dir, 'apt.log');
  return withoutServices(async () => await run('apt-get', ['update'], { logFile, timeoutMs: 120_000, env })
    && run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { logFile, timeoutMs: 300_000, env }));
}

const policyFile = '/usr/sbin/policy-rc.d';

/** Debian starts what it installs unless this file says no; one that an administrator put there stays as it is. */
async function withoutServices(work) {
  const ours = !existsSync(policyFile);
  if (ours) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    if (ours) rmSync(policyFile, { force: true });
  }
}
