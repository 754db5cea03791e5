import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Somewhere that webhooks go to: what it took, and how to have it away for a while. */
export interface Receiver {
  address: string;
  secret: string;
  isDown: boolean;
  received: { path: string; headers: IncomingHttpHeaders; body: string }[];
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => {
      if (receiver.isDown) return response.writeHead(503).end();
      receiver.received.push({ path: String(request.url), headers: request.headers, body });
      return response.end('ok');
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const receiver: Receiver = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, secret: `whsec_${randomBytes(32).toString('base64')}`, isDown: false, received: [],
    stop: () => new Promise((resolve) => { server.close(() => resolve()); }),
  };
  return receiver;
}
