import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { queues, services } from '@writ/contracts';
import { TestBench, until } from '@writ/testing';
import { freePort, ownRedis } from './own-redis.js';

/** One monitor as it is deployed, on a bench of its own. */
export class Replica {
  private child?: ChildProcess;

  private constructor(readonly bench: TestBench, private readonly env: NodeJS.ProcessEnv, readonly url: string, private readonly redis: { stop(): void }) {}

  static async create(): Promise<Replica> {
    const bench = await TestBench.create();
    const redis = await ownRedis();
    const port = await freePort();
    writeFileSync(`${bench.dir}/monitor/honeytoken.1.key`, randomBytes(32).toString('base64'));
    const env = await bench.env('monitor', [], { WRIT_HTTP_PORT: String(port), WRIT_LOG_LEVEL: 'error', WRIT_REDIS_URL: redis.url });
    await ended(await start('migrate', { ...env, WRIT_MIGRATION_DATABASE_URL: bench.database('monitor').adminUrl }));
    // Nobody reads the other services' queues here.
    for (const service of services) if (service !== 'monitor') for (const key of ['usage.recorded', 'token.issued', 'misuse.detected']) await bench.bus.unbind(queues.events(service), key);
    return new Replica(bench, env, `http://127.0.0.1:${port}`, redis);
  }

  /** Starts the process and waits until it is ready. */
  async start(): Promise<void> {
    this.child = await start('main', this.env);
    await until(async () => (await fetch(`${this.url}/health/ready`).catch(() => undefined))?.ok, 'the monitor to be ready', 30_000);
  }

  /** Activates a policy set that lets every detector stop tokens: what is measured is detectors, not what a policy makes of them. */
  async letStop(): Promise<void> {
    await this.bench.sayResponse(1, [{ id: 'stop', reason: 'a bench of detectors', most: 'suspend' }]);
    await until(async () => (await this.query('SELECT 1 FROM response')).length === 1, 'the response rules to be known', 30_000);
  }

  /** Seconds of CPU that the process has used, and its memory in MB. */
  usage(): { cpuSeconds: number; rssMb: number } {
    const pid = this.child?.pid ?? 0;
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, rssMb: Number(rss) / 1024 };
  }

  query<Row = Record<string, unknown>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return this.bench.database('monitor').query<Row>(sql, parameters);
  }

  /** Ends the process as a deployment would; its queue goes on filling. */
  async stop(): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  async close(): Promise<void> {
    await this.stop();
    this.redis.stop();
    await this.bench.drop();
  }
}

/** With the bounds on memory that every service is started with. */
async function start(what: 'main' | 'migrate', env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const entry = fileURLToPath(new URL(`../../../apps/monitor/dist/${what}.js`, import.meta.url));
  const { nodeFlags } = (await import(new URL('../../../scripts/platform/services.mjs', import.meta.url).href)) as { nodeFlags: string[] };
  return fork(entry, [], { execArgv: nodeFlags, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

async function ended(child: ChildProcess): Promise<void> {
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`The monitor's migrations ended with ${String(code)}.`);
}
