import { hash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { createGateway } from '@writ/gateway';
import { mint } from '@writ/token';
import { quantile, type BenchOptions, type Row } from '../row.js';
import type { BenchIssuer } from './issuer-process.js';

/** An issuer that finds every token valid: the SDK's own cost is measured, not the issuer's. */
async function agreeable(): Promise<{ url: string; close(): void }> {
  const fresh = () => ({ asOf: new Date().toISOString(), seq: 1, maxStalenessMs: 0 });
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  const answers: Record<string, (body: { nonce: string; holdMs: number; tokens: unknown[] }) => unknown> = {
    '/v1/fleet/verifiers': () => ({ verifierId: 'vrf_bench', leaseMs: 800, incarnation: 'bench', headSeq: 1 }),
    '/v1/fleet/lease': ({ nonce }) => ({ nonce, incarnation: 'bench', headSeq: 1, databaseTime: new Date().toISOString(), entries: [], more: false }),
    '/v1/tokens/verify-batch': ({ tokens }) => ({
      incarnation: 'bench',
      results: tokens.map((_, i) => ({ valid: true, code: 'VALID', ...fresh(), tokenId: `tok_${i}${Math.random()}`, owner: `svc:${i % 100}`, scopes: ['orders:read'], audience: 'orders', environment: 'prod', expiresAt })),
    }),
    '/v1/usage': () => ({}),
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { nonce: string; holdMs: number; tokens: unknown[] };
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers[request.url ?? '']?.(body) ?? {})), body.holdMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.closeAllConnections() };
}

const slice = 20_000;

/** Calls the work over and over, letting leases be renewed in between. @returns calls per second of its own time */
export async function rateOf(seconds: number, work: (i: number) => void): Promise<number> {
  let count = 0;
  let busyMs = 0;
  while (busyMs < seconds * 1_000) {
    const before = performance.now();
    for (let i = 0; i < slice; i++) work(count++);
    busyMs += performance.now() - before;
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
  return count / (busyMs / 1_000);
}

/** The SDK from memory on one core, beside one bare SHA-256 of a token. */
export async function inProcess({ quick, say }: BenchOptions): Promise<Row[]> {
  const seconds = quick ? 2 : 6;
  const peer = await agreeable();
  const rows: Row[] = [];
  try {
    for (const [label, size] of [['1k', 1_000], ['100k', 100_000]] as const) {
      say(`sdk verify ${label}`);
      const gateway = createGateway({ issuerUrl: peer.url, clientId: 'x', clientSecret: 'y', cacheTokens: Math.ceil(size * 1.1), timeoutMs: 20_000 });
      await gateway.ready();
      const tokens = Array.from({ length: size }, () => mint('prod', randomBytes(32)).reveal());
      for (let at = 0; at < size; at += 1_000) await Promise.all(tokens.slice(at, at + 1_000).map((token) => gateway.verify(token)));
      let misses = 0;
      const options = { scopes: ['orders:read'], audience: 'orders' };
      const ours = await rateOf(seconds, (i) => {
        if (gateway.verifyFromMemory(tokens[(i * 7919) % size] as string, options)?.valid !== true) misses += 1;
      });
      const bare = await rateOf(seconds, (i) => hash('sha256', tokens[(i * 7919) % size] as string, 'buffer'));
      const name = `sdk verify ${label}`;
      rows.push({ bench: 'verify', name, kind: 'ours', perSecond: ours, cpuUsPerOp: 1e6 / ours, note: misses > 0 ? `${misses} calls were not answered from memory` : undefined });
      rows.push({ bench: 'verify', name, kind: 'limit', perSecond: bare, cpuUsPerOp: 1e6 / bare, note: 'one SHA-256 of the token' });
      if (label === '1k') {
        const signed = await joseRate(seconds);
        rows.push({ bench: 'verify', name: 'sdk verify, a JWT with jose ES256', kind: 'peer', perSecond: signed, cpuUsPerOp: 1e6 / signed, note: `in this process too; ours is ${Math.round(ours / signed)} times as fast` });
        const junk = await rateOf(seconds / 2, () => gateway.verifyFromMemory('writ_prod_notatoken'));
        rows.push({ bench: 'verify', name: 'sdk refuse malformed', kind: 'ours', perSecond: junk, cpuUsPerOp: 1e6 / junk });
      }
      await gateway.close();
    }
  } finally {
    peer.close();
  }
  return rows;
}

const verifiers = 10;

/** From the revocation's request to the last refusal of ten verifiers, and to the answer that all have acknowledged. */
export async function revocation(issuer: BenchIssuer, { quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 30 : 150;
  say(`revoke to refusal: ${count} revocations, ${verifiers} verifiers`);
  const gateways = Array.from({ length: verifiers }, (_, i) => createGateway({ issuerUrl: issuer.url, ...issuer.gateway, audience: 'orders', name: `bench-${i}` }));
  await Promise.all(gateways.map((gateway) => gateway.ready()));
  const ids = await issuer.issue(count);
  const refusals: number[] = [];
  const returns: number[] = [];
  for (const id of ids) {
    const secret = await issuer.claim(id);
    for (const gateway of gateways) if (!(await gateway.verify(secret)).valid) throw new Error('a verifier refuses a living token');
    const begun = performance.now();
    const returned = issuer.post(`/v1/tokens/${id}/revoke?wait=fleet`, { reason: 'bench' }, issuer.alice).then(() => returns.push(performance.now() - begun));
    let saying = gateways;
    while (saying.length > 0) {
      saying = saying.filter((gateway) => gateway.verifyFromMemory(secret)?.valid === true);
      if (saying.length > 0) await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    refusals.push(performance.now() - begun);
    await returned;
  }
  await Promise.all(gateways.map((gateway) => gateway.close()));
  const row = (name: string, values: number[], note: string): Row => ({
    bench: 'verify', name, kind: 'ours', perSecond: 1_000 / quantile(values, 0.5), p50Ms: quantile(values, 0.5), p99Ms: quantile(values, 0.99), note,
  });
  return [row('revoke to refusal', refusals, `last of ${verifiers} verifiers`), row('revoke, wait=fleet', returns, `${verifiers} receipts`)];
}

/** What a stateless token costs: a signature checked, in turn, in the same process. */
async function joseRate(seconds: number): Promise<number> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwt = await new SignJWT({ scope: 'orders:read' }).setProtectedHeader({ alg: 'ES256' }).setSubject('svc:a').setAudience('orders').setExpirationTime('1h').sign(privateKey);
  const end = performance.now() + seconds * 1_000;
  let count = 0;
  for (const began = performance.now(); ; count++) {
    if (performance.now() > end) return count / ((performance.now() - began) / 1_000);
    await jwtVerify(jwt, publicKey, { audience: 'orders' });
  }
}
