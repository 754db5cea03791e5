import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '@writ/testing';
import { folderSource, parsePolicy, verifyLog, type Checkpoint } from '@writ/tlog';
import { parseLeaf } from '../src/entries/leaf.js';
import * as migrations from '../src/migrations/index.js';
import { AuditBench } from './audit-bench.js';
import { alive } from './samples.js';
import { origin } from './signer-process.js';

/** `npm run test:soak` asks for a thousand. */
const kills = Number(process.env.WRIT_SOAK_KILLS ?? 12);
const root = resolve(import.meta.dirname, '../../..');
const program = join(root, 'apps/audit/dist/main.js');

let audit: AuditBench;
const replicas: Replica[] = [];
beforeAll(async () => {
  execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/audit')]);
  audit = await AuditBench.create();
  const env = await audit.bench.env('audit', migrations, { ...audit.signer.serviceEnv, WRIT_BATCH: '20' });
  replicas.push(new Replica('one', env), new Replica('two', env));
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.kill()));
  await audit.drop();
});

/** A replica in a process of its own: it takes events in, and publishes whenever it is the one that may. */
class Replica {
  private child?: ChildProcess;
  private url = '';
  readonly dir: string;

  constructor(name: string, private readonly env: NodeJS.ProcessEnv) {
    this.dir = join(audit.bench.dir, name);
  }

  async start(): Promise<void> {
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    const env = { ...process.env, ...this.env, WRIT_HTTP_PORT: String(port), WRIT_AUDIT_SITE_DIR: this.dir };
    this.child = spawn(process.execPath, [program], { env, stdio: 'ignore' });
    await until(() => fetch(`${this.url}/health/live`).then(({ ok }) => ok, () => false), 'the replica to answer', 30_000);
  }

  async kill(): Promise<void> {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Every head that the signer recorded before it signed, from its journal: what it may have signed, ever. */
function signedHeads(): Checkpoint[] {
  const lines = readFileSync(join(audit.bench.dir, 'signer', 'state', 'journal'), 'utf8').trim().split('\n');
  return lines.map((line) => line.split(' ')).map(([, size, hash]) => ({ origin, size: Number(size), root: Buffer.from(hash!, 'base64') }));
}

/** How many entries a replica's published checkpoint covers. */
async function shownIn(dir: string): Promise<number> {
  return folderSource(dir).readCheckpoint().then((note) => Number(Buffer.from(note).toString().split('\n')[1]), () => 0);
}

/** Returns just as the signer has recorded a head, when its signature, its publication and its row are yet to come. */
async function nextSignature(): Promise<void> {
  const journal = join(audit.bench.dir, 'signer', 'state', 'journal');
  const before = statSync(journal).size;
  for (let waitedMs = 0; statSync(journal).size === before && waitedMs < 2_000; waitedMs += 2) await pause(2);
  await pause(randomInt(12));
}

/** Where a kill found the log, to show that kills hit each step between commit and publication. */
async function stepOf(sites: readonly string[]): Promise<string> {
  const [row] = await audit.query<{ size: string; published: string | null }>('SELECT size, (SELECT max(size) FROM checkpoint) AS published FROM tlog');
  const signed = signedHeads().at(-1)!.size;
  const shown = await Promise.all(sites.map(shownIn));
  if (Math.max(...shown) < signed) return 'signed, not published';
  if (Number(row!.published) < signed) return 'published, not recorded';
  return Number(row!.size) > signed ? 'committed, not signed' : 'all signed';
}

describe(`${kills} kills with -9 across two replicas and the signer`, () => {
  it('lose no event, double none, and have the signer sign one history (G2, G8)', async () => {
    await Promise.all(replicas.map((replica) => replica.start()));
    const events: string[] = [];
    const steps = new Map<string, number>();
    let done = 0;
    const again = async (start: () => Promise<void>, kill: () => Promise<void>, longestMs: number) => {
      while (done < kills) {
        await (randomInt(2) === 0 ? pause(randomInt(longestMs)) : nextSignature());
        if (done++ >= kills) return;
        await kill();
        const step = await stepOf(replicas.map(({ dir }) => dir));
        steps.set(step, (steps.get(step) ?? 0) + 1);
        await start();
      }
    };
    const talking = (async () => {
      while (done < kills) {
        events.push(...await Promise.all(Array.from({ length: 1 + randomInt(40) }, () => audit.bench.bus.say('issuer', 'service.alive', alive()))));
        await pause(randomInt(100));
      }
    })();
    await Promise.all([
      talking, again(() => audit.signer.start(), () => audit.signer.kill(), 1_500),
      ...replicas.map((replica) => again(() => replica.start(), () => replica.kill(), 1_200)),
    ]);
    if (process.env.WRIT_SOAK) process.stderr.write(`  soak: ${kills} kills, ${events.length} events; found: ${[...steps].map(([step, count]) => `${count} ${step}`).join(', ')}\n`);

    for (let at = 0; at < events.length; at += 5_000) await audit.recorded(events.slice(at, at + 5_000));
    const size = await audit.signed();
    const heads = signedHeads();
    for (const { dir } of replicas) {
      const ids: string[] = [];
      await until(async () => (await shownIn(dir)) >= size, 'all to be published', 60_000);
      const shown = await shownIn(dir);
      const { findings } = await verifyLog(folderSource(dir), {
        policy: parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`), remembered: heads.filter((head) => head.size <= shown),
        onEntries: (entries) => { for (const entry of entries) ids.push(parseLeaf(entry).id); },
      });
      expect(findings).toEqual([]);
      expect(new Set(ids).size).toBe(ids.length);
      const published = new Set(ids);
      expect(events.filter((event) => !published.has(event))).toEqual([]);
    }
    const sizes = heads.map((head) => head.size);
    expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
  }, 120_000 + kills * 5_000);
});
