import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { services } from '@writ/contracts';

/** The whole platform as `npm start` brings it up, for benches of the whole. */
export interface Platform {
  env: Record<string, string>;
  /** Process ids by name, the backing services among them. */
  pids: Map<string, number>;
  /** Where each process answers, by name. */
  urls: Map<string, string>;
  facts: { databaseUrl(service: string): string; migrationUrl(service: string): string };
  /** The broker's administrator, for whoever wants to listen. */
  amqpUrl: string;
  /** Gives PostgreSQL's planner its statistics. */
  analyze(): Promise<void>;
  stop(): Promise<void>;
}

interface Started {
  env: Record<string, string>;
  layout: { stateFile: string; backing: string };
  facts: Platform['facts'];
  stop(): Promise<void>;
}
interface Recorded { name: string; pid: number; url: string }

/** @param answering services of which one more replica runs that only answers */
export async function startPlatform(say: (line: string) => void, answering: string[] = []): Promise<Platform> {
  const scripts = new URL('../../scripts/platform/', import.meta.url);
  const { startPlatform: start } = (await import(new URL('platform.mjs', scripts).href)) as { startPlatform(options: object): Promise<Started> };
  const { createReporter } = (await import(new URL('terminal.mjs', scripts).href)) as { createReporter(show: (event: { kind: string; label?: string; summary?: string; text?: string }) => void): object };
  const reporter = createReporter((event) => {
    if (event.kind === 'done') say(`${event.label ?? ''}: ${event.summary ?? ''}`);
  });
  const dir = mkdtempSync(join(tmpdir(), 'writ-bench-'));
  const platform = await start({ dir, name: 'bench', reporter, fresh: true, answering });
  const read = <Field extends 'pid' | 'url'>(file: string, field: Field) => {
    const { processes } = JSON.parse(readFileSync(file, 'utf8')) as { processes: Recorded[] };
    return processes.map((each): [string, Recorded[Field]] => [each.name, each[field]]);
  };
  const { stateFile, backing } = platform.layout;
  return {
    env: platform.env,
    facts: platform.facts,
    amqpUrl: (JSON.parse(readFileSync(join(backing, 'backing.json'), 'utf8')) as { amqpUrl: string }).amqpUrl,
    analyze: async () => {
      for (const service of services) {
        const client = new pg.Client({ connectionString: platform.facts.migrationUrl(service) });
        await client.connect();
        await client.query('ANALYZE');
        await client.end();
      }
    },
    pids: new Map([...read(stateFile, 'pid'), ...read(join(backing, 'backing.json'), 'pid')]),
    urls: new Map(read(stateFile, 'url')),
    stop: async () => {
      await platform.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
