import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyRoot, openCheckpoint, SignerKey } from '@writ/tlog';
import { Branch } from './branch.js';
import { authorization, build, origin, run, secret, SignerProcess, workplace, type Workplace } from './signer-process.js';

let place: Workplace;
let signer: SignerProcess | undefined;

beforeAll(build, 60_000);
beforeEach(() => {
  place = workplace();
});
afterEach(async () => {
  await signer?.stop();
  signer = undefined;
  rmSync(place.dir, { recursive: true });
});

const start = async () => (signer = await SignerProcess.start(place.env));
const ask = async (branch: Branch, from: number) => signer!.sign(branch.size, branch.rootAt(branch.size), await branch.proveFrom(from));

it('signs a growing tree, and says what it has signed last', async () => {
  await start();
  let branch = new Branch();
  for (const count of [3, 1, 60]) {
    const from = branch.size;
    branch = branch.grow(count, 'honest');
    const answer = await ask(branch, from);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(openCheckpoint(await answer.text(), [place.vkey])).toMatchObject({ origin, size: branch.size, root: branch.rootAt(branch.size) });
  }
  expect(await signer!.head()).toEqual({ origin, size: 64, root: branch.rootAt(64).toString('base64'), vkey: place.vkey.toString() });
});

it('answers the same head with the same bytes, also after a restart', async () => {
  await start();
  const branch = new Branch().grow(5, 'honest');
  const first = await (await ask(branch, 0)).text();
  expect(await (await ask(branch, 5)).text()).toBe(first);
  expect(await signer!.stop()).toBe(0);
  await start();
  expect(await (await ask(branch, 5)).text()).toBe(first);
});

it('refuses a smaller, a forked and an unproven tree, with its head in the answer', async () => {
  await start();
  const five = new Branch().grow(5, 'honest');
  await ask(five, 0);
  const head = { size: 5, root: five.rootAt(5).toString('base64') };
  const refused = async (answer: Response) => {
    expect([answer.status, answer.headers.get('content-type')]).toEqual([409, 'application/problem+json']);
    const body = (await answer.json()) as { code: string; head: object };
    expect(body.head).toEqual(head);
    return body.code;
  };
  const forked = new Branch(five.leaves.slice(0, 2)).grow(10, 'forged');
  expect(await refused(await signer!.sign(2, five.rootAt(2), []))).toBe('head-behind');
  expect(await refused(await signer!.sign(5, forked.rootAt(5), []))).toBe('head-forked');
  expect(await refused(await ask(forked, 5))).toBe('head-unproven');
  expect(await refused(await signer!.sign(0, emptyRoot, []))).toBe('head-behind');
  expect(await signer!.head()).toMatchObject(head);
});

it('tells strangers nothing but that it lives', async () => {
  await start();
  const branch = new Branch().grow(5, 'honest');
  const body = JSON.stringify({ size: 5, root: branch.rootAt(5).toString('base64'), proof: [] });
  const right = authorization('POST', '/sign', body);
  const foreign = `Writ-MAC ${'A'.repeat(22)}.${right.split('.')[1]}`;
  for (const wrong of ['', 'Writ-MAC', `Bearer ${secret}`, `Basic ${secret}`, `Writ-MAC ${secret}`, right.slice(0, -1), foreign, authorization('GET', '/sign'), authorization('POST', '/sign', ' '), authorization('POST', '/head')]) {
    for (const [path, init] of [['/sign', { method: 'POST', body }], ['/head', {}], ['/nothing', {}]] as const) {
      const answer = await signer!.fetch(path, { ...init, headers: { authorization: wrong } });
      expect([wrong, answer.status, answer.headers.get('writ-proof')]).toEqual([wrong, 401, null]);
    }
  }
  for (const path of ['/health/live', '/health/ready']) expect((await fetch(signer!.url + path)).status).toBe(200);
  expect((await signer!.head()).size).toBe(0);
});

it('keeps its secrets out of logs and answers', async () => {
  await start();
  await ask(new Branch().grow(5, 'honest'), 0);
  await signer!.sign(1, emptyRoot, []);
  await signer!.stop();
  const seed = readFileSync(place.env.WRIT_SIGNER_KEY_FILE!, 'utf8').trim().split('+').at(-1)!;
  const log = signer!.lines.join('\n');
  expect(log).toContain('refused to sign');
  expect(log).not.toContain(secret);
  expect(log).not.toContain(seed);
});

it('refuses what is malformed or too large, and goes on', async () => {
  await start();
  const post = (body: string) => signer!.fetch('/sign', { method: 'POST', body });
  expect((await post('{')).status).toBe(400);
  expect((await post(' '.repeat(20_000))).status).toBe(413);
  expect((await signer!.fetch('/sign')).status).toBe(404);
  expect((await ask(new Branch().grow(5, 'honest'), 0)).status).toBe(200);
});

it('survives a client that leaves in the middle of a request', async () => {
  await start();
  const { hostname, port } = new URL(signer!.url);
  const socket = connect(Number(port), hostname);
  socket.write(`POST /sign HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization('POST', '/sign')}\r\ncontent-length: 500\r\n\r\n{"size":`);
  await sleep(50);
  socket.destroy();
  expect((await ask(new Branch().grow(5, 'honest'), 0)).status).toBe(200);
});

it('stops on SIGTERM with an open connection, and with status 0', async () => {
  await start();
  await signer!.head();
  const began = Date.now();
  expect(await signer!.stop()).toBe(0);
  expect(Date.now() - began).toBeLessThan(3_000);
});

it('stops without signing when its state can no longer be written', async () => {
  await start();
  const branch = new Branch().grow(5, 'honest');
  await ask(branch, 0);
  writeFileSync(`${place.env.WRIT_SIGNER_STATE_DIR}/journal`, 'somebody was here\n', { flag: 'a' });
  await expect(ask(branch.grow(1, 'next'), 5)).rejects.toThrow();
  expect((await signer!.ended)[0]).toBe(1);
  expect(signer!.lines.join()).toContain('state-shared');
});

describe('the program', () => {
  it('names every error of its configuration at once and ends', () => {
    const { status, stderr } = run({ PATH: process.env.PATH, WRIT_SIGNER_PORT: '70000', WRIT_LOG_LEVEL: 'loud' });
    expect(status).toBe(1);
    for (const name of ['ORIGIN', 'KEY_FILE', 'SECRET_FILE', 'STATE_DIR', 'PORT', 'LOG_LEVEL']) expect(stderr).toContain(name);
  });

  it('refuses a key that is readable by others, malformed, of another log or of a witness, and never repeats it', () => {
    const file = place.env.WRIT_SIGNER_KEY_FILE!;
    const bad = (text: string, mode: number) => {
      writeFileSync(file, text);
      chmodSync(file, mode);
      const { status, stderr } = run(place.env);
      expect([status, stderr.includes(text.slice(-20).trim())]).toEqual([1, false]);
      return stderr;
    };
    expect(bad(readFileSync(file, 'utf8'), 0o644)).toContain('chmod 600');
    expect(bad(SignerKey.generate(origin, 0x01).exportSecret().slice(0, -8), 0o600)).toContain('WRIT_SIGNER_KEY_FILE');
    expect(bad(SignerKey.generate('other.example.com', 0x01).exportSecret(), 0o600)).toContain('other.example.com');
    expect(bad(SignerKey.generate(origin, 0x04).exportSecret(), 0o600)).toContain('0x01');
    expect(bad(SignerKey.generate(origin, 0x01).exportSecret(), 0o600)).toContain('state-of-another-key');
  });

  it('refuses to begin anew when its state is lost', () => {
    rmSync(place.env.WRIT_SIGNER_STATE_DIR!, { recursive: true });
    for (const args of [[], ['init']]) expect(run(place.env, ...args)).toMatchObject({ status: 1, stderr: expect.stringContaining('state-missing') });
  });

  it('refuses a secret that is short or open to others', () => {
    const file = place.env.WRIT_SIGNER_SECRET_FILE!;
    chmodSync(file, 0o604);
    expect(run(place.env).stderr).toContain('chmod 600');
    chmodSync(file, 0o600);
    writeFileSync(file, 'short');
    expect(run(place.env).stderr).toContain('fewer than 32');
  });
});
