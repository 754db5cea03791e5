import { fileURLToPath } from 'node:url';

const root = new URL('../../../', import.meta.url);
const scripts = new URL('scripts/backing/', root);

export type KillableServer = 'postgres' | 'redis';

interface Backing {
  postgresUrl: string;
  amqpUrl: string;
  amqpManagementUrl?: string;
  redisUrl: string;
  stop(): Promise<void>;
}
interface Scripts {
  startBacking(options: { dir: string; name: string; fresh: true; own: true; killable: true }): Promise<Backing>;
  killServer(dir: string, name: KillableServer): Promise<void>;
  startAgain(dir: string, name: KillableServer): Promise<void>;
}

/** Real servers that are one test file's own, so that it may kill them: nobody else's tests run on them. */
export class OwnServers {
  private constructor(private readonly dir: string, private readonly scripts: Scripts, private readonly backing: Backing) {}

  /** From here on everything in this process finds these. */
  static async start(name: string): Promise<OwnServers> {
    const loaded = await Promise.all(['backing', 'failure'].map((file) => import(new URL(`${file}.mjs`, scripts).href) as Promise<Scripts>));
    const its = { ...loaded[0], ...loaded[1] } as Scripts;
    const dir = fileURLToPath(new URL(`.writ/${name}`, root));
    const backing = await its.startBacking({ dir, name, fresh: true, own: true, killable: true });
    const { postgresUrl, amqpUrl, amqpManagementUrl = '', redisUrl } = backing;
    Object.assign(process.env, { WRIT_TEST_POSTGRES_URL: postgresUrl, WRIT_TEST_AMQP_URL: amqpUrl, WRIT_TEST_AMQP_MANAGEMENT_URL: amqpManagementUrl, WRIT_TEST_REDIS_URL: redisUrl });
    return new OwnServers(dir, its, backing);
  }

  /** Ends it as a crash would: nothing is shut down in order. */
  kill(name: KillableServer): Promise<void> {
    return this.scripts.killServer(this.dir, name);
  }

  /** Resolves when it answers again, with what it had committed. */
  startAgain(name: KillableServer): Promise<void> {
    return this.scripts.startAgain(this.dir, name);
  }

  stop(): Promise<void> {
    return this.backing.stop();
  }
}
