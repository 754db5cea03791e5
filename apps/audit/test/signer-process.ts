import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeBase64, VerifierKey } from '@writ/tlog';
import { callProof } from '@writ/token';

const root = resolve(import.meta.dirname, '../../..');
const program = join(root, 'apps/signer/dist/main.js');
let built = false;
export const origin = 'audit.example.com/tokens';
export const secret = 'a-secret-of-at-least-thirty-two-characters';

/** The real signer, in a process of its own with a fresh key. */
export class SignerProcess {
  private child?: ChildProcess;
  private url = '';

  private constructor(private readonly env: NodeJS.ProcessEnv, readonly vkey: VerifierKey) {}

  static async create(dir: string): Promise<SignerProcess> {
    if (!built) execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/signer')]);
    built = true;
    mkdirSync(dir, { recursive: true });
    const env = {
      PATH: process.env.PATH, WRIT_SIGNER_PORT: '0', WRIT_SIGNER_KEY_FILE: join(dir, 'key'), WRIT_SIGNER_STATE_DIR: join(dir, 'state'),
      WRIT_SIGNER_SECRET_FILE: join(dir, 'secret'), WRIT_LOG_ORIGIN: origin, WRIT_LOG_LEVEL: 'info',
    };
    writeFileSync(join(dir, 'secret'), secret);
    chmodSync(join(dir, 'secret'), 0o600);
    const vkey = execFileSync(process.execPath, [program, 'init'], { env, encoding: 'utf8' }).trim();
    const signer = new SignerProcess(env, VerifierKey.parse(vkey));
    await signer.start();
    return signer;
  }

  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    this.child = spawn(process.execPath, [program], { env: { ...this.env, WRIT_SIGNER_PORT: port }, stdio: ['ignore', 'pipe', 'inherit'] });
    const reader = createInterface({ input: this.child.stdout! });
    const [line] = (await once(reader, 'line', { signal: AbortSignal.timeout(20_000) })) as [string];
    this.url = `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
  }

  /** What the audit service must be told. */
  get serviceEnv(): Record<string, string> {
    return { WRIT_SIGNER_URL: this.url, WRIT_SIGNER_SECRET: secret, WRIT_LOG_ORIGIN: origin };
  }

  /** Asks as the publisher does, or somebody who has its secret. */
  ask(size: number, root: Uint8Array): Promise<Response> {
    const call = { nonce: randomBytes(16).toString('base64url'), method: 'POST', path: '/sign', body: JSON.stringify({ size, root: encodeBase64(root), proof: [] }) };
    return fetch(this.url + call.path, { method: call.method, body: call.body, headers: { authorization: `Writ-MAC ${call.nonce}.${callProof(secret, call)}` } });
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }
}
