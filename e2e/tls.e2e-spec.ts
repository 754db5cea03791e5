import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect, rootCertificates } from 'node:tls';
import { promisify } from 'node:util';
import pg from 'pg';
import { Gateway } from '@writ/gateway';
import { mint } from '@writ/token';
import { startPlatform, type Platform, type Reporter } from '../scripts/platform/platform.mjs';
import { runWalk } from '../scripts/platform/walk.mjs';

/** A second platform beside the one of the other tests: here nothing speaks anything but TLS. */
const root = join(import.meta.dirname, '..');
const folder = join(root, '.writ/e2e-tls');
const said: string[] = [];
const reporter: Reporter = { line: (text = '') => { said.push(text); }, step: async (_label, work) => work({ note: () => undefined }) };

interface Backing { postgresUrl: string; amqpUrl: string; redisUrl: string }
let platform: Platform;
let backing: Backing;
/** The authority of the other tests' platform, where that one speaks TLS too. */
const { NODE_EXTRA_CA_CERTS: otherAuthority } = process.env;

beforeAll(async () => {
  delete process.env.NODE_EXTRA_CA_CERTS;
  platform = await startPlatform({ dir: join(folder, '.writ'), name: 'e2e-tls', reporter, fresh: true, tls: true });
  backing = JSON.parse(readFileSync(join(platform.layout.backing, 'backing.json'), 'utf8')) as Backing;
}, 120_000);

afterAll(async () => {
  if (otherAuthority !== undefined) process.env.NODE_EXTRA_CA_CERTS = otherAuthority;
  await platform.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Every door; where the servers had to be containers, those are in plain text on the loopback address. */
function doors(): [string, number][] {
  const servers = Object.entries(backing).filter(([name, url]) => name !== 'postgresUrl' && /^(amqps|rediss):/.test(url as string));
  return [...Object.entries(platform.facts.ports), ...servers.map(([name, url]): [string, number] => [name, Number(new URL(url as string).port)])];
}

/** What the other side says to bytes in plain text: nothing that could be read. */
const plainAnswer = (port: number, bytes: string) => new Promise<string>((resolve) => {
  let heard = '';
  const socket = connectPlain({ host: '127.0.0.1', port }, () => { socket.write(bytes); });
  socket.setTimeout(2_000, () => socket.destroy());
  socket.on('data', (data) => { heard += data.toString('latin1'); }).on('error', () => undefined).on('close', () => resolve(heard));
});

function database(more: pg.ClientConfig): pg.Client {
  const { hostname: host, port, username: user, password } = new URL(backing.postgresUrl);
  return new pg.Client({ host, port: Number(port), user, password, database: 'postgres', ...more });
}

const refusal = (port: number) => new Promise<string | undefined>((resolve) => {
  const socket = connect({ host: '127.0.0.1', port, ca: [...rootCertificates] }, () => { socket.destroy(); resolve(undefined); });
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
});

describe('a platform that speaks TLS alone', () => {
  it('takes a request through its whole life: asked over AMQP and HTTP, decided, claimed, verified, rotated, revoked, proven', async () => {
    await runWalk(platform, reporter);
    expect(said.join('\n')).toMatch(/REVOKED after[^]*the log is intact/);
  }, 60_000);

  it('says nothing in plain text at any door', async () => {
    const answers = await Promise.all(doors().map(async ([name, port]) => [name, await plainAnswer(port, name === 'redisUrl' ? 'PING\r\n' : name === 'amqpUrl' ? 'AMQP\0\0\x09\x01' : 'GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')]));
    expect(answers.filter(([, heard]) => /^HTTP\/1\.1 2|PONG|NOAUTH|AMQP/.test(heard as string))).toEqual([]);
    await expect(database({ ssl: false }).connect()).rejects.toThrow(/no encryption/);
  });

  it('proves who it is at every door, by its own authority and no other', async () => {
    const codes = await Promise.all(doors().map(async ([name, port]) => [name, await refusal(port)]));
    expect(codes).toEqual(doors().map(([name]) => [name, expect.stringMatching(/^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/)]));
    await expect(database({ ssl: { ca: [...rootCertificates] } }).connect()).rejects.toThrow(/unable to verify|self-signed/);
  });

  it('is used by the gateway SDK with the authority it is given, and not with another', async () => {
    const { WRIT_ISSUER_URL: issuerUrl = '', WRIT_GATEWAY_CLIENT_ID: clientId = '', WRIT_GATEWAY_CLIENT_SECRET: clientSecret = '', NODE_EXTRA_CA_CERTS: file = '' } = platform.env;
    const codeBy = async (ca: string, timeoutMs: number) => {
      const gateway = new Gateway({ issuerUrl, clientId, clientSecret, audience: 'orders', ca, timeoutMs });
      const { code } = await gateway.verify(mint('dev', randomBytes(32)).reveal());
      await gateway.close();
      return code;
    };
    expect(await codeBy(readFileSync(file, 'utf8'), 10_000)).toBe('NOT_FOUND');
    expect(await codeBy(rootCertificates[0] as string, 1_000)).toBe('UNAVAILABLE');
  });

  it('is used by the command line in its folder, without a word about certificates', async () => {
    const { PATH } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'apps/cli/dist/main.js'), '--json', '--as', 'requester', 'tokens'], { cwd: folder, env: { PATH, HOME: folder }, timeout: 30_000 });
    expect(stdout.trim().split('\n').length).toBeGreaterThan(1);
  });
});
