import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import type { FleetReceipt } from '@writ/contracts';
import { backingUrls, FaultProxy, OwnServers, until } from '@writ/testing';
import { Issuing } from './issuing.js';
import * as migrations from '../src/migrations/index.js';

/**
 * Revocations race with verifications in memory and over HTTP, in processes of their own, while what the issuers stand on
 * fails. With `WRIT_SOAK` each failure lasts from a fifth of a second to some, and comes again and again; Redis, PostgreSQL
 * and the issuers are really killed then, of a set of servers that is this file's own.
 */
const soak = process.env.WRIT_SOAK === '1';
const enough = soak ? 1_000_000 : 3_000;
const rounds = soak ? 8 : 1;
const perFault = soak ? 20 : 4;
const verifierCount = 3;
const main = new URL('../dist/main.js', import.meta.url).pathname;
const verifierProgram = new URL('./race/verifier.mjs', import.meta.url).pathname;
const alice = { iss: '', sub: 'alice' };

interface Report {
  counts: { memory: number; http: number; yes: number };
  seen: [token: string, begun: string][];
}
type Living = { tokenId: string; secret: string };
type Issuer = { url: string; child: ChildProcess };

let servers: OwnServers | undefined;
let issuing: Issuing;
let database: FaultProxy;
let broker: FaultProxy;
let redis: FaultProxy;
let flusher: Redis;
let issuers: Issuer[];
let urls: string[];
let owner: string;
const children: ChildProcess[] = [];
let verifiers: ChildProcess[] = [];

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const freePort = () => new Promise<number>((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
});

async function startIssuer(given?: string): Promise<Issuer> {
  const port = given === undefined ? await freePort() : new URL(given).port;
  const redisUrl = new URL(backingUrls().redis);
  redisUrl.pathname = '/9'; // Flushed by this test.
  const env = await issuing.bench.env('issuer', migrations as never, { WRIT_HTTP_PORT: String(port), WRIT_LOG_LEVEL: 'fatal' });
  const through = { WRIT_DATABASE_URL: database.url(env.WRIT_DATABASE_URL as string), WRIT_BROKER_URL: broker.url(env.WRIT_BROKER_URL as string), WRIT_REDIS_URL: redis.url(redisUrl.href) };
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH, ...env, ...through }, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until(() => {
    if (child.exitCode !== null) throw new Error('an issuer did not start');
    return fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false);
  }, 'an issuer to be ready', 60_000);
  return { url, child };
}

/** As the machine's kernel ends what takes too much memory. */
async function killIssuer(which: number): Promise<void> {
  const { child } = issuers[which] as Issuer;
  children.splice(children.indexOf(child), 1);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function restartIssuer(which: number): Promise<void> {
  issuers[which] = await startIssuer((issuers[which] as Issuer).url);
}

async function startVerifier(name: string, its: string[], credentials: object): Promise<ChildProcess> {
  const child = fork(verifierProgram, [JSON.stringify({ urls: its, name, ...credentials })], { execPath: process.execPath, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.push(child);
  await once(child, 'message');
  return child;
}

beforeAll(async () => {
  if (soak) servers = await OwnServers.start('race');
  issuing = await Issuing.create();
  alice.iss = issuing.bench.identity.issuer;
  [database, broker, redis] = await Promise.all([backingUrls().postgres, backingUrls().amqp, backingUrls().redis].map((url) => FaultProxy.before(url))) as [FaultProxy, FaultProxy, FaultProxy];
  flusher = new Redis(backingUrls().redis, { db: 9 });
  flusher.on('error', () => undefined); // It is killed in between.
  issuers = [await startIssuer(), await startIssuer()];
  urls = issuers.map(({ url }) => url);
  owner = (await issuing.bearer('alice')).authorization as string;
  const credentials = await post(`${urls[0]}/v1/gateways`, { name: 'race', audiences: ['orders'] }, (await issuing.bearer('root', ['admins'])).authorization as string) as { clientId: string; clientSecret: string };
  verifiers = await Promise.all(Array.from({ length: verifierCount }, (_, i) => startVerifier(`racer-${i}`, i % 2 === 0 ? urls : [...urls].reverse(), credentials)));
}, soak ? 240_000 : 60_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  flusher?.disconnect();
  await Promise.all([database, broker, redis].map((proxy) => proxy?.close()));
  await issuing?.drop();
  await servers?.stop();
}, 60_000);

async function post(url: string, body: object, authorization: string): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

/** Tokens that were claimed and that every verifier has in its memory. */
async function living(count: number): Promise<Living[]> {
  const tap = await issuing.bench.bus.tap();
  const requests = Array.from({ length: count }, () => issuing.submission({ scopes: ['orders:read'] }));
  await Promise.all(requests.flatMap((request) => [issuing.bench.bus.say('request', 'request.submitted', request), issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request))]));
  const tokens = await Promise.all(requests.map(async ({ requestId }) => {
    const { envelope } = await tap.next('token.issued', (data) => data.requestId === requestId, 60_000);
    const path = `/v1/tokens/${String(envelope.data.tokenId)}/claim`;
    // What failed before may still be felt: a claim whose answer was lost is made again, by whoever made it.
    const { tokenId, secret } = await until(() => post(`${urls[0]}${path}`, {}, owner).catch(() => undefined), 'a claim to be answered', 60_000) as Living;
    return { tokenId, secret };
  }));
  for (const verifier of verifiers) verifier.send({ race: tokens.map(({ secret }) => secret) });
  await until(async () => (await Promise.all(verifiers.map(report))).every(({ seen }) => seen.length === count), 'every verifier to say yes to every token');
  return tokens;
}

async function report(verifier: ChildProcess): Promise<Report> {
  const answered = once(verifier, 'message');
  verifier.send({ report: true });
  return ((await answered) as [Report])[0];
}

/** Revokes through either issuer, again until one answers. @returns when it had, on the clock of the verifiers */
async function revoked({ tokenId }: Living, i: number): Promise<{ at: bigint; receipts: FleetReceipt[] }> {
  for (let turn = i; ; turn++) {
    try {
      const { receipts } = await post(`${urls[turn % 2]}/v1/tokens/${tokenId}/revoke?wait=fleet`, { reason: 'race' }, owner) as { receipts: FleetReceipt[] };
      return { at: process.hrtime.bigint(), receipts };
    } catch {
      await sleep(50);
    }
  }
}

const calls = ({ memory, http }: Report['counts']) => memory + http;
let verifications = 0;
let revocations = 0;
let underway: Living[] = [];

/** Revokes tokens while something fails. No call that began after a revocation had returned may have been answered with yes. */
async function race(fail: () => Promise<void> | void, heal: () => Promise<void> | void): Promise<FleetReceipt[]> {
  underway = await living(perFault);
  const before = (await Promise.all(verifiers.map(report))).map(({ counts }) => calls(counts));
  await fail();
  const healed = sleep(soak ? 200 + Math.random() * 2_500 : 600).then(heal);
  const ends = await Promise.all(underway.map((token, i) => revoked(token, i)));
  revocations += ends.length;
  await healed;
  await sleep(soak ? 1_500 : 300); // Verifiers go on asking about what is revoked.
  const reports = await Promise.all(verifiers.map(report));
  const stale = reports.flatMap(({ seen }, verifier) => seen.flatMap(([secret, begun]) => {
    const i = underway.findIndex((token) => token.secret === secret);
    const lateMs = Number(BigInt(begun) - (ends[i]?.at as bigint)) / 1e6;
    return lateMs > 0 ? [`verifier ${verifier} said yes ${lateMs.toFixed(1)} ms after the return`] : [];
  }));
  expect(stale).toEqual([]);
  verifications += reports.reduce((sum, { counts }, i) => sum + calls(counts) - (before[i] as number), 0);
  for (const verifier of verifiers) verifier.send({ race: [] });
  return ends.flatMap(({ receipts }) => receipts);
}

const faults: [string, () => Promise<void> | void, () => Promise<void> | void][] = [
  ['nothing fails', () => undefined, () => undefined],
  ['Redis resets every connection and comes back', () => redis.set('down'), () => redis.set('none')],
  ['Redis is emptied', async () => { await flusher.flushdb(); }, async () => { await flusher.flushdb(); }],
  ['PostgreSQL resets every connection and comes back', () => database.set('down'), () => database.set('none')],
  ['PostgreSQL cannot be reached', () => database.set('hole'), () => database.set('none')],
  ['the broker cannot be reached', () => broker.set('hole'), () => broker.set('none')],
];
if (soak) {
  let which = 0;
  faults.push(
    ['Redis is killed and started again', () => servers?.kill('redis'), () => servers?.startAgain('redis')],
    ['PostgreSQL is stopped at once, recovers and is back', () => servers?.kill('postgres'), () => servers?.startAgain('postgres')],
    ['an issuer is killed and started again', () => killIssuer(which = 1 - which), () => restartIssuer(which)],
  );
}

/** Whoever cannot take a failure dies of it, and a dead issuer says no stale yes either. */
afterEach(() => {
  expect(children.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual(children.map(() => [null, null]));
});

describe('no verifier under lease says yes after a revocation has returned (G4)', () => {
  it.each(faults)('while %s', async (_name, fail, heal) => {
    for (let round = 0; round < rounds; round++) await race(fail, heal);
  }, soak ? 600_000 : 30_000);

  it('while a verifier is stopped, and after it goes on', async () => {
    const [stopped] = verifiers as [ChildProcess];
    for (let round = 0; round < rounds; round++) {
      const receipts = await race(() => { stopped.kill('SIGSTOP'); }, async () => {
        await sleep(900);
        stopped.kill('SIGCONT');
      });
      expect(receipts.filter(({ name, outcome }) => name === 'racer-0' && outcome === 'fenced').length).toBeGreaterThan(0);
    }
  }, soak ? 600_000 : 30_000);

  it('and enough was asked for that to mean something', () => {
    if (soak) process.stderr.write(`  soak: ${verifications} verifications raced with ${revocations} revocations\n`);
    expect(verifications).toBeGreaterThan(enough);
  });
});
