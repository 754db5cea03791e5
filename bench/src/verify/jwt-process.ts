import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKeyPair, jwtVerify, SignJWT } from 'jose';

/** What many do instead of asking: checking a signature. Nothing can be revoked, and it still costs this. */
const { privateKey, publicKey } = await generateKeyPair('ES256');
const token = await new SignJWT({ scope: 'orders:read' }).setProtectedHeader({ alg: 'ES256' }).setSubject('alice').setAudience('orders').setExpirationTime('1h').sign(privateKey);
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    if (request.url === '/token') return response.end(JSON.stringify({ token }));
    const asked = (JSON.parse(body) as { token: string }).token;
    jwtVerify(asked, publicKey, { audience: 'orders' }).then(({ payload }) => {
      const text = JSON.stringify({ active: true, ...payload });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    }, () => response.writeHead(401).end());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
