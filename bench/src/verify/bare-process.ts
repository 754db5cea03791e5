import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The barest server that reads a body and answers a constant: what HTTP itself costs on this machine. */
const answer = process.argv[2] ?? '{}';
const server = createServer((request, response) => {
  request.on('data', () => undefined);
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) }).end(answer));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
