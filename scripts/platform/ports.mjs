import { readFileSync, writeFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../backing/ports.mjs';
import { isAlive, self } from '../backing/processes.mjs';
import { processes } from './services.mjs';

/** One installation of this machine may take the well-known ports: two that start at once must not race for them. */
const claimFile = join(tmpdir(), 'writ-default-ports.json');

/**
 * Chooses where everybody listens: the well-known ports where this installation has the claim to them and they are
 * free, else any. Answers {ports, moved: names of those that are elsewhere than usual}.
 */
export async function choosePorts({ wellKnown }) {
  const mine = wellKnown && claim();
  const taken = new Set();
  const ports = {};
  for (const { name, port } of processes) ports[name] = await freePort(mine ? port : undefined, taken);
  return { ports, moved: processes.filter(({ name, port }) => ports[name] !== port).map(({ name }) => name) };
}

function claim() {
  const holder = readClaim();
  if (holder?.pid !== process.pid && isAlive(holder)) return false;
  try {
    rmSync(claimFile, { force: true });
    writeFileSync(claimFile, JSON.stringify(self()), { flag: 'wx', mode: 0o644 });
    return true;
  } catch {
    // Somebody else was quicker, or the stale file belongs to another user: the ports then decide by being free.
    return !isAlive(readClaim());
  }
}

function readClaim() {
  try {
    return JSON.parse(readFileSync(claimFile, 'utf8'));
  } catch {
    return undefined;
  }
}
