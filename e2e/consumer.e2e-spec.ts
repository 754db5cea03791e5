import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { environmentStore, keepFresh } from '@writ/client';
import type { ClaimedSecret, RequestAnswer, RotationAnswer, TokenView } from '@writ/contracts';
import { as, freshToken, until, untilStatus, verify, wish } from './platform.js';

const main = join(import.meta.dirname, '../apps/cli/dist/main.js');
const requester = as('requester');
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'writ-consumer-')); });
afterAll(() => { rmSync(folder, { recursive: true }); });

/** What a shell has that read the platform's env file. */
const shell = () => ({ cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('WRIT_') || name === 'NODE_EXTRA_CA_CERTS')) } });
const rotate = (tokenId: string) => until('the rotation to begin', () => requester.rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body: {} }).catch(() => undefined));

/** A token that nobody has claimed yet. */
async function unclaimed(): Promise<string> {
  const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish() });
  return (await untilStatus(requestId, 'issued')).tokenId as string;
}

it('`writ rotate --wait` hands out the new secret while the old one lives (G7)', async () => {
  const { tokenId, secret } = await freshToken();
  await until('rotation to know the token', () => requester.rotation.get(`/v1/tokens/${tokenId}/rotations`).then(() => true, () => undefined));
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--json', 'rotate', tokenId, '--wait'], { ...shell(), timeout: 30_000 });
  const claimed = JSON.parse(stdout) as ClaimedSecret;
  expect(claimed).toMatchObject({ tokenId, generation: 2 });
  expect([(await verify(secret)).code, (await verify(claimed.secret)).code]).toEqual(['VALID', 'VALID']);
});

it('`writ rotate-all` ends the old secrets of everything that fits, and says how far it came (G7)', async () => {
  const owner = `svc:leaky-${process.pid}`;
  const tokens = await Promise.all([1, 2, 3].map(() => freshToken({ requester: { id: owner, team: 'orders' } })));
  await until('rotation to know the tokens', async () => (await Promise.all(tokens.map(({ tokenId }) => requester.rotation.post(`/v1/tokens/${tokenId}/rotate`, { body: {} }).then(() => true, () => false)))).every(Boolean));
  const args = [main, '--as', 'admin', '--json', 'rotate-all', '--emergency', '--owner', owner, '--reason', 'the repository was public'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { ...shell(), timeout: 30_000 });
  expect(JSON.parse(stdout)).toMatchObject({ cause: 'emergency', seen: 3, skipped: 0, rotations: { claimable: 3 } });
  expect(await Promise.all(tokens.map(async ({ secret }) => (await verify(secret)).code))).toEqual(['REVOKED', 'REVOKED', 'REVOKED']);
});

it('`writ agent` keeps a file fresh and runs a command, and a program that reads the file loses no call (G7)', async () => {
  const tokenId = await unclaimed();
  const [file, told] = [join(folder, 'secret'), join(folder, 'told')];
  const agent: ChildProcess = spawn(process.execPath, [main, 'agent', '--token', tokenId, '--file', file, '--every', '1', '--exec', `echo fresh >> ${told}`], { ...shell(), stdio: 'ignore' });
  await until('the first secret', () => existsSync(file));
  const codes: string[] = [];
  let isRunning = true;
  const calling = (async () => {
    while (isRunning) codes.push((await verify(readFileSync(file, 'utf8').trim())).code);
  })();
  const first = readFileSync(file, 'utf8');
  await rotate(tokenId);
  await until('the new secret', () => readFileSync(file, 'utf8') !== first);
  await until('the command', () => readFileSync(told, 'utf8') === 'fresh\nfresh\n');
  await until('the old secret to be forgotten', () => !existsSync(`${file}.previous`));
  isRunning = false;
  await calling;
  expect([...new Set(codes)]).toEqual(['VALID']);
  agent.kill('SIGINT');
  await once(agent, 'exit');
});

it('`writ agent` that is killed with -9 in the middle of a rotation goes on where it was when it runs again, and nothing stays pending (G7)', async () => {
  const tokenId = await unclaimed();
  const file = join(folder, 'killed');
  const start = () => spawn(process.execPath, [main, 'agent', '--token', tokenId, '--file', file, '--every', '1'], { ...shell(), stdio: 'ignore' });
  const ended = async (agent: ChildProcess, signal: 'SIGKILL' | 'SIGINT') => {
    agent.kill(signal);
    await once(agent, 'exit');
  };
  const read = () => readFileSync(file, 'utf8').trim();
  const killed = start();
  await until('the first secret', () => existsSync(file));
  const first = read();
  const { rotationId } = await rotate(tokenId);
  // Written down before the claim is made: it dies before the answer or after it, and nobody has used the new secret.
  await until('the claim', () => existsSync(`${file}.claim`) && readFileSync(`${file}.claim`, 'utf8').includes(rotationId));
  await ended(killed, 'SIGKILL');
  const again = start();
  await until('the new secret', () => read() !== first);
  expect([(await verify(first)).code, (await verify(read())).code]).toEqual(['VALID', 'VALID']);
  await until('the old secret to be forgotten', () => !existsSync(`${file}.previous`));
  const { generations } = await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
  expect(generations.map(({ generation, state }) => [generation, state])).toEqual([[1, 'used'], [2, 'used']]);
  await ended(again, 'SIGINT');
});

it('`keepFresh` puts each secret into an environment variable (G7)', async () => {
  const tokenId = await unclaimed();
  const environment: NodeJS.ProcessEnv = {};
  const ending = new AbortController();
  const keeping = keepFresh({ tokenId, writ: requester, store: environmentStore('ORDERS_TOKEN', environment), pollMs: 100, signal: ending.signal });
  await until('the first secret', () => environment.ORDERS_TOKEN !== undefined);
  const first = environment.ORDERS_TOKEN as string;
  expect((await verify(first)).code).toBe('VALID');
  await rotate(tokenId);
  await until('the new secret', () => environment.ORDERS_TOKEN !== first);
  expect((await verify(environment.ORDERS_TOKEN as string)).code).toBe('VALID');
  ending.abort();
  await keeping;
});
