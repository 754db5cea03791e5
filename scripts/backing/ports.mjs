import { connect, createServer } from 'node:net';

/** Takes `wanted` where it is free on the loopback address, else any free port. Never one of `taken`. */
export async function freePort(wanted = 0, taken = new Set()) {
  for (const candidate of [wanted, 0, 0, 0, 0, 0, 0, 0, 0]) {
    if (candidate !== 0 && taken.has(candidate)) continue;
    const port = await tryPort(candidate);
    if (port === undefined || taken.has(port)) continue;
    taken.add(port);
    return port;
  }
  throw new Error('no free port on 127.0.0.1');
}

function tryPort(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: bound } = server.address();
      server.close(() => resolve(bound));
    });
  });
}

/** Sends `bytes` and answers what comes back first, as text; with nothing to send, '' once connected. Rejects after `timeoutMs`. */
export function exchange({ host, port, bytes, timeoutMs = 1_000 }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const finish = (settle, value) => { socket.destroy(); settle(value); };
    socket.setTimeout(timeoutMs, () => finish(reject, new Error('timed out')));
    socket.once('error', (error) => finish(reject, error));
    socket.once('connect', () => (bytes === undefined ? finish(resolve, '') : socket.write(bytes)));
    socket.once('data', (data) => finish(resolve, data.toString('latin1')));
  });
}
