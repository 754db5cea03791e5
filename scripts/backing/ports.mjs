import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { isAlive, self } from './processes.mjs';

/** Below the range that outgoing connections take their ports from on Linux, macOS and Windows. */
const lowest = 20_000;
const highest = 32_000;
/** Which ports installations that start at the same time have chosen and may not listen on yet: a file each, while its process lives. */
const chosen = join(tmpdir(), 'writ-ports');
const mine = new Set();

/**
 * Takes `wanted` where it is free on the loopback address, else a free port by chance. Never one of `taken`, to which it
 * is added, nor one that another living process has chosen.
 */
export async function freePort(wanted, taken = new Set()) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = attempt === 0 && wanted !== undefined ? wanted : randomInt(lowest, highest);
    if (taken.has(port) || !await isFree(port) || !choose(port)) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`no free port on 127.0.0.1 between ${lowest} and ${highest}`);
}

/** False where somebody else who lives has chosen it. Where nothing can be written down, being free decides alone. */
function choose(port) {
  const file = join(chosen, String(port));
  if (mine.has(file)) return true;
  try {
    mkdirSync(chosen, { recursive: true, mode: 0o777 });
    if (isAlive(chooserOf(file))) return false;
    rmSync(file, { force: true });
    writeFileSync(file, JSON.stringify(self()), { flag: 'wx' });
    if (mine.size === 0) process.once('exit', () => { for (const each of mine) rmSync(each, { force: true }); });
    mine.add(file);
    return true;
  } catch (error) {
    return error.code !== 'EEXIST';
  }
}

function chooserOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Sends `bytes`, over TLS where `tls` says so, and answers what comes back first, as text; with nothing to send, '' once connected. Rejects after `timeoutMs`. */
export function exchange({ host, port, bytes, tls, timeoutMs = 1_000 }) {
  return new Promise((resolve, reject) => {
    const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port });
    const finish = (settle, value) => { socket.destroy(); settle(value); };
    socket.setTimeout(timeoutMs, () => finish(reject, new Error('timed out')));
    socket.once('error', (error) => finish(reject, error));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => (bytes === undefined ? finish(resolve, '') : socket.write(bytes)));
    socket.once('data', (data) => finish(resolve, data.toString('latin1')));
  });
}
