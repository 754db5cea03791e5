import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Below the range that outgoing connections take their ports from on Linux, macOS and Windows. */
const lowest = 20_000;
const highest = 32_000;

/** Takes `wanted` where it is free on the loopback address, else a free port by chance. Never one of `taken`, to which it is added. */
export async function freePort(wanted, taken = new Set()) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = attempt === 0 && wanted !== undefined ? wanted : randomInt(lowest, highest);
    if (taken.has(port) || !await isFree(port)) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`no free port on 127.0.0.1 between ${lowest} and ${highest}`);
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
