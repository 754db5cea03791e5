import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeBase64, VerifierKey } from '@writ/tlog';
import { callProof } from '@writ/token';

const root = resolve(import.meta.dirname, '../../..');
const program = join(root, 'apps/signer/dist/main.js');

export const origin = 'audit.example.com/tokens';
export const secret = 'a-secret-of-at-least-thirty-two-characters';

/** Builds the program that the tests then start as a process of its own. */
export function build(): void {
  execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/signer')]);
}

export interface Workplace {
  dir: string;
  env: NodeJS.ProcessEnv;
  vkey: VerifierKey;
}

/** Makes a folder with a fresh key, its empty state and the publisher's secret. */
export function workplace(): Workplace {
  const dir = mkdtempSync(join(tmpdir(), 'signer-'));
  const env = {
    PATH: process.env.PATH,
    WRIT_SIGNER_PORT: '0',
    WRIT_SIGNER_KEY_FILE: join(dir, 'key'),
    WRIT_SIGNER_STATE_DIR: join(dir, 'state'),
    WRIT_SIGNER_SECRET_FILE: join(dir, 'secret'),
    WRIT_LOG_ORIGIN: origin,
  };
  writeFileSync(join(dir, 'secret'), `${secret}\n`);
  chmodSync(join(dir, 'secret'), 0o600);
  return { dir, env, vkey: VerifierKey.parse(run(env, 'init').stdout.trim()) };
}

/** Runs the program to its end. */
export function run(env: NodeJS.ProcessEnv, ...args: string[]): { status: number; stdout: string; stderr: string } {
  try {
    return { status: 0, stdout: execFileSync(process.execPath, [program, ...args], { env, encoding: 'utf8', stdio: 'pipe', timeout: 10_000 }), stderr: '' };
  } catch (error) {
    return error as { status: number; stdout: string; stderr: string };
  }
}

/** What the publisher proves itself by, for one call. */
export function authorization(method: string, path: string, body = '', nonce = randomBytes(16).toString('base64url')): string {
  return `Writ-MAC ${nonce}.${callProof(secret, { nonce, method, path, body })}`;
}

export class SignerProcess {
  readonly ended: Promise<unknown[]>;
  readonly lines: string[] = [];

  private constructor(private readonly child: ChildProcess, readonly url: string) {
    // 'close' comes after the last line of output, 'exit' may come before it.
    this.ended = once(child, 'close');
  }

  /** Starts the program and waits until it listens. */
  static async start(env: NodeJS.ProcessEnv): Promise<SignerProcess> {
    const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const reader = createInterface({ input: child.stdout! });
    const [line] = (await once(reader, 'line', { signal: AbortSignal.timeout(20_000) })) as [string];
    const { address, port } = JSON.parse(line) as { address: string; port: number };
    const started = new SignerProcess(child, `http://${address}:${port}`);
    started.lines.push(line);
    reader.on('line', (text: string) => started.lines.push(text));
    return started;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    const [status] = await this.ended;
    return status as number | null;
  }

  fetch(path: string, init: { method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<Response> {
    const headers = { authorization: authorization(init.method ?? 'GET', path, init.body), ...init.headers };
    return fetch(this.url + path, { signal: AbortSignal.timeout(10_000), ...init, headers });
  }

  sign(size: number, rootHash: Uint8Array, proof: readonly Uint8Array[]): Promise<Response> {
    return this.fetch('/sign', { method: 'POST', body: JSON.stringify({ size, root: encodeBase64(rootHash), proof: proof.map(encodeBase64) }) });
  }

  async head(): Promise<{ origin: string; size: number; root: string; vkey: string }> {
    return (await this.fetch('/head')).json() as Promise<{ origin: string; size: number; root: string; vkey: string }>;
  }
}
