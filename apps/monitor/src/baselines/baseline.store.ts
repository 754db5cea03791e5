import { createHash } from 'node:crypto';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Unavailable } from '@writ/messaging';
import { Health } from '@writ/service';
import { baselineScript, learnScript, startScript } from './baseline.lua.js';
import { MonitorConfig } from '../config.js';
import { featuresOf, type Features } from './features.js';
import type { Fields } from './seed.js';
import { networkHash, shortHash, type Observed } from './observe.js';

const scriptSha = createHash('sha1').update(baselineScript).digest('hex');
/** Redis runs a script to its end before anything else: so many tokens keep that under a few milliseconds. */
const tokensPerCall = 128;
const timeoutMs = 5_000;
const spreadSeconds = 3_600;
const baitedSeconds = 86_400;

const keyOf = (tokenId: string) => `wm:${tokenId.slice('tok_'.length)}`;

/** One novelty to be seen beside the others of the last hour. */
export interface Novelty {
  tokenId: string;
  /** Seconds since 1970. */
  at: number;
  team: string;
  network?: string;
  agent?: string;
}

export interface Spread {
  tokensOfNetwork: number;
  tokensOfCaller: number;
  tokensOfAgent: number;
  /** A honeytoken was used from the network within the last day. */
  baited: boolean;
}

/** Baselines in Redis: fast, shared by the replicas, and allowed to be lost. */
@Injectable()
export class Baselines implements OnApplicationShutdown {
  private readonly redis: Redis;

  constructor({ redisUrl }: MonitorConfig, health: Health) {
    this.redis = new Redis(redisUrl, { commandTimeout: timeoutMs, connectTimeout: timeoutMs, maxRetriesPerRequest: 1, enableAutoPipelining: false, retryStrategy: (times) => Math.min(2_000, times * 100) });
    this.redis.on('error', () => undefined); // Every command that fails says so itself, and readiness does.
    health.add(async () => ((await this.redis.ping().catch(() => '')) === 'PONG' ? undefined : 'Redis does not answer'));
  }

  /**
   * Adds uses to the baselines. Where Redis does not answer the messages stay at the broker: a delay, no loss.
   * @returns per token its features, or undefined where it has no baseline yet and nothing was added
   */
  async observe(tokens: readonly Observed[]): Promise<(Features | undefined)[]> {
    const calls: Observed[][] = [];
    for (let i = 0; i < tokens.length; i += tokensPerCall) calls.push(tokens.slice(i, i + tokensPerCall));
    const answers = await this.pipeline(calls.map((some) => ['evalsha', scriptSha, some.length, ...some.map(({ tokenId }) => keyOf(tokenId)), ...some.flatMap(argumentsOf)]));
    return (answers as ((string | number)[] | null)[][]).flat().map((answer) => (answer ? featuresOf(answer) : undefined));
  }

  /** Starts baselines, each whole or not at all. A replica that was faster is not overwritten. */
  async start(seeds: readonly { tokenId: string; fields: Fields }[]): Promise<void> {
    await this.pipeline(seeds.map(({ tokenId, fields }) => ['eval', startScript, 1, keyOf(tokenId), ...Object.entries(fields).flat()]));
  }

  /** Notes which token a new network or agent came to, and counts the company it had within an hour. */
  async spread(novelties: readonly Novelty[]): Promise<Spread[]> {
    const keyed = novelties.map(({ team, network, agent }) => {
      const net = network && `wn:${team}:${networkHash(network)}`;
      return [net, net && agent && `${net}:new`, agent && `wa:${team}:${shortHash(agent)}`].map((key) => key || undefined);
    });
    const each = (command: (key: string, novelty: Novelty) => (string | number)[]) => novelties.flatMap((novelty, i) => (keyed[i] ?? []).map((key) => (key === undefined ? ['echo', '0'] : command(key, novelty))));
    await this.pipeline(each((key, { tokenId, at }) => ['zadd', key, 'GT', at, tokenId]));
    await this.pipeline(each((key) => ['expire', key, 2 * spreadSeconds]));
    const counts = await this.pipeline(each((key, { at }) => ['zcount', key, at - spreadSeconds, at + spreadSeconds]));
    const baited = await this.pipeline(novelties.map(({ network }) => ['exists', `wb:${network ?? ''}`]));
    return novelties.map((_, i) => ({ tokensOfNetwork: Number(counts[i * 3]), tokensOfCaller: Number(counts[i * 3 + 1]), tokensOfAgent: Number(counts[i * 3 + 2]), baited: baited[i] === 1 }));
  }

  /** Remembers for a day where a honeytoken was used from. */
  async bait(networks: readonly string[]): Promise<void> {
    await this.pipeline(networks.map((network) => ['setex', `wb:${network}`, baitedSeconds, 1]));
  }

  /** "It was us": everything seen so far is known from now on, its level is the usual one, and for a while nothing stops. */
  async learn(tokenId: string, nowSeconds: number, quietSeconds: number): Promise<Lesson> {
    const [level] = await this.pipeline([['eval', learnScript, 1, keyOf(tokenId), nowSeconds, quietSeconds]]);
    const [highMinute = 0, highHour = 0, highDenied = 0] = (level as string[]).map(Number);
    return { highMinute, highHour, highDenied };
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }

  private async pipeline(commands: (string | number | Buffer)[][]): Promise<unknown[]> {
    if (commands.length === 0) return [];
    return this.guarded(async () => {
      const answers = await this.redis.pipeline(commands).exec();
      const missing = answers?.some(([error]) => error?.message.startsWith('NOSCRIPT'));
      if (missing) await this.redis.script('LOAD', baselineScript);
      return Promise.all((answers ?? []).map(async ([error, answer], i) => {
        if (error?.message.startsWith('NOSCRIPT')) return this.redis.call(...(commands[i] as [string, ...string[]]));
        if (error) throw error;
        return answer;
      }));
    });
  }

  private async guarded<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && /^(ERR|WRONGTYPE)/.test(error.message)) throw error;
      throw new Unavailable('Redis does not answer.', { cause: error });
    }
  }
}

export interface Lesson {
  highMinute: number;
  highHour: number;
  highDenied: number;
}

function argumentsOf({ at, observations }: Observed): (string | number)[] {
  const sorted = observations.length > 1 ? [...observations].sort((a, b) => a.at - b.at) : observations;
  const flat: (string | number)[] = [at, sorted.length];
  for (const { tag, at: second, use, calls, network, agent, denied } of sorted) {
    flat.push(tag, second, use, calls, network && networkHash(network), agent && shortHash(agent), denied.length === 0 ? '' : denied.slice(0, 8).map((scope) => shortHash(scope)).join(''));
  }
  return flat;
}
