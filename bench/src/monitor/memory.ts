import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { makeId, type TokenId } from '@writ/contracts';
import type { BenchOptions, Row } from '../row.js';
import { ownRedis } from './own-redis.js';

/** As the monitor is built: its own store, seeds and script fill the Redis that is measured. */
interface Parts {
  Baselines: new (config: { redisUrl: string }, health: { add(check: unknown): void }) => {
    start(seeds: readonly { tokenId: string; fields: object }[]): Promise<void>;
    observe(tokens: readonly object[]): Promise<unknown[]>;
    onApplicationShutdown(): void;
  };
  seedOf(past: object, at: { first: number; now: number }): Record<string, Buffer | string>;
}

interface Habit { share: number; networks: number; agents: number; refused: number }
/** Most tokens are used by one machine or a few; some by whoever roams. */
const usual: Habit[] = [{ share: 0.7, networks: 2, agents: 1, refused: 0 }, { share: 0.2, networks: 4, agents: 2, refused: 0 }, { share: 0.1, networks: 12, agents: 6, refused: 2 }];
const fullest: Habit[] = [{ share: 1, networks: 12, agents: 6, refused: 8 }];
/** As many as a baseline remembers, to tell repeated events. */
const tagsKept = 15;
const atOnce = 5_000;

/** What so many tokens take in a Redis of their own. A million in a full run. */
export async function memory({ quick, say }: BenchOptions): Promise<Row[]> {
  const tokens = quick ? 100_000 : 1_000_000;
  say(`memory: baselines of ${tokens.toLocaleString('en')} tokens`);
  const typical = await measured(usual, tokens);
  const worst = await measured(fullest, 20_000);
  return [{
    bench: 'monitor', name: 'redis memory', kind: 'ours', perSecond: typical.perSecond, rssMb: typical.megabytes,
    note: `${tokens.toLocaleString('en')} tokens, ${Math.round(typical.bytes)} bytes each, kept compact: ${typical.compact}; where every token fills its baseline ${Math.round(worst.bytes)} bytes`,
  }];
}

async function measured(habits: readonly Habit[], tokens: number): Promise<{ megabytes: number; bytes: number; perSecond: number; compact: boolean }> {
  const own = await ownRedis();
  const redis = new Redis(own.url);
  try {
    const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    const empty = await used();
    const startedAt = performance.now();
    const last = await fill(own.url, habits, tokens);
    const perSecond = tokens / ((performance.now() - startedAt) / 1000);
    const bytes = (await used()) - empty;
    const encoding = String(await redis.object('ENCODING', `wm:${last.slice('tok_'.length)}`));
    return { megabytes: bytes / 1e6, bytes: bytes / tokens, perSecond, compact: encoding === 'listpack' || encoding === 'ziplist' };
  } finally {
    redis.disconnect();
    own.stop();
  }
}

async function fill(redisUrl: string, habits: readonly Habit[], tokens: number): Promise<TokenId> {
  const dist = (name: string) => import(new URL(`../../../apps/monitor/dist/${name}.js`, import.meta.url).href) as Promise<unknown>;
  const { Baselines } = (await dist('baselines/baseline.store')) as Parts;
  const { seedOf } = (await dist('baselines/seed')) as Parts;
  const baselines = new Baselines({ redisUrl }, { add: () => undefined });
  const now = Math.floor(Date.now() / 1000);
  let last = '' as TokenId;
  for (let from = 0; from < tokens; from += atOnce) {
    const slice = Array.from({ length: Math.min(atOnce, tokens - from) }, (_, i) => ({ tokenId: makeId('tok', Date.now(), randomBytes(10)), habit: habitOf(habits, (from + i) / tokens), salt: from + i }));
    await baselines.start(slice.map(({ tokenId, habit, salt }) => ({ tokenId, fields: seedOf(pastOf(habit, salt), { first: now - 86_400, now: now - 3_600 }) })));
    const answers = await baselines.observe(slice.map(({ tokenId, habit, salt }) => usesOf(tokenId, habit, salt, now)));
    if (answers.some((answer) => answer === undefined)) throw new Error('A baseline was not there.');
    last = slice.at(-1)?.tokenId ?? last;
  }
  baselines.onApplicationShutdown();
  return last;
}

function habitOf(habits: readonly Habit[], place: number): Habit {
  let sum = 0;
  return habits.find(({ share }) => (sum += share) > place) ?? (habits.at(-1) as Habit);
}

const networkOf = (salt: number, i: number) => `10.${(salt + i * 7) % 256}.${(salt * 31 + i) % 256}.0/24`;

function pastOf({ networks, agents }: Habit, salt: number): object {
  const at = new Date(Date.now() - 30 * 86_400_000);
  const sources = [
    ...Array.from({ length: networks }, (_, i) => ({ kind: 'network', value: networkOf(salt, i), firstAt: at, lastAt: at })),
    ...Array.from({ length: agents }, (_, i) => ({ kind: 'agent', value: `app-${salt % 97}-${i}`, firstAt: at, lastAt: at })),
  ];
  return { firstAt: at, lastAt: at, calls: 10_000 + salt, peakMinute: 40, peakHour: 900, highDenied: 0, sources };
}

/** The uses that fill the ring of events, by known callers. */
function usesOf(tokenId: TokenId, { networks, refused }: Habit, salt: number, now: number): object {
  return {
    tokenId, at: now,
    observations: Array.from({ length: tagsKept }, (_, i) => ({
      tag: `${String.fromCharCode(65 + i)}abc`, at: now - 60 * (tagsKept - i), use: i < refused ? 'd' : 'v', calls: 3, network: networkOf(salt, i % networks), agent: `app-${salt % 97}-0`,
      gateway: 'gw-1', denied: i < refused ? [`orders:s${i}`] : [],
    })),
  };
}
