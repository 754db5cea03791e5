import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TestBench, type TestDatabase } from '@writ/testing';

const program = (name: string) => fileURLToPath(new URL(`../../../apps/${name}/dist/main.js`, import.meta.url));
const secret = 'a-secret-of-at-least-thirty-two-characters';
export const origin = 'bench.example/log';

/** The audit service and its signer as processes of their own, on fresh tables and queues. */
export class LogProcess {
  private readonly children: ChildProcess[] = [];
  private env: NodeJS.ProcessEnv = {};

  private constructor(readonly bench: TestBench, readonly database: TestDatabase) {}

  static async create(): Promise<LogProcess> {
    const bench = await TestBench.create();
    const migrations = (await import(new URL('../../../apps/audit/dist/migrations/index.js', import.meta.url).href)) as Record<string, new () => object>;
    const env = await bench.env('audit', migrations as never);
    const log = new LogProcess(bench, bench.database('audit'));
    log.env = { ...env, WRIT_LOG_ORIGIN: origin, WRIT_SIGNER_SECRET: secret, WRIT_SIGNER_URL: await log.startSigner() };
    return log;
  }

  /** Starts the service. @returns its process id */
  start(): number {
    const child = spawn(process.execPath, [program('audit')], { env: { ...process.env, ...this.env }, stdio: ['ignore', 'ignore', 'inherit'] });
    this.children.push(child);
    return child.pid!;
  }

  /** Entries that are committed. */
  async size(): Promise<number> {
    const [row] = await this.database.query<{ size: string }>('SELECT size FROM tlog');
    return Number(row?.size ?? 0);
  }

  /** Waits until so many entries are committed. @returns when, in milliseconds */
  async reaches(size: number): Promise<number> {
    while ((await this.size()) < size) await sleep(20);
    return performance.now();
  }

  async drop(): Promise<void> {
    for (const child of this.children) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await this.bench.drop();
  }

  private async startSigner(): Promise<string> {
    const dir = join(this.bench.dir, 'signer');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'secret'), secret, { mode: 0o600 });
    const env = {
      ...process.env, WRIT_SIGNER_PORT: '0', WRIT_SIGNER_KEY_FILE: join(dir, 'key'), WRIT_SIGNER_STATE_DIR: join(dir, 'state'),
      WRIT_SIGNER_SECRET_FILE: join(dir, 'secret'), WRIT_LOG_ORIGIN: origin, WRIT_LOG_LEVEL: 'info',
    };
    execFileSync(process.execPath, [program('signer'), 'init'], { env });
    const child = spawn(process.execPath, [program('signer')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    this.children.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    child.stdout.resume();
    return `http://127.0.0.1:${(JSON.parse(line.toString().split('\n')[0]!) as { port: number }).port}`;
  }
}
