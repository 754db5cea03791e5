import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Acknowledgement, Spent } from '@writ/gateway';
import { LOG } from '@writ/service';
import { macEquals, type KeyProvider } from '@writ/token';
import { IssuerConfig } from '../config.js';
import { KEYS } from '../keys.store.js';

/** What replicas tell each other: the log has grown; a verifier has applied it; tries were taken out of budgets. */
export type Hint = { head: number } | { ack: Omit<Acknowledgement, 'at'> } | { by: string; spent: Spent[] };

/**
 * Tells the other replicas over Redis what they would find out by themselves a little later. A lost hint costs time,
 * never truth; a forged one is dropped, because each carries a MAC.
 */
@Injectable()
export class Hints implements OnApplicationShutdown {
  private readonly connections: Redis[] = [];
  private readonly listeners: ((hint: Hint) => void)[] = [];
  private channel = '';
  private publisher?: Redis;

  constructor(private readonly config: IssuerConfig, @Inject(KEYS) private readonly keys: KeyProvider, @Inject(LOG) private readonly log: Logger) {}

  /** @param incarnation of the state log: installations may share a Redis */
  listen(incarnation: string): void {
    if (!this.config.redisUrl) return;
    this.channel = `writ:issuer:${incarnation}`;
    this.publisher = this.connect();
    const subscriber = this.connect();
    subscriber.on('message', (_channel, message) => void this.take(message));
    // Subscribed again by the client itself after every reconnect.
    subscriber.subscribe(this.channel).catch((error: unknown) => this.log.warn({ err: error }, 'no hints from other replicas just now'));
  }

  onHint(listener: (hint: Hint) => void): void {
    this.listeners.push(listener);
  }

  publish(hint: Hint): void {
    if (this.publisher?.status !== 'ready') return;
    void this.send(this.publisher, JSON.stringify(hint));
  }

  private async send(publisher: Redis, text: string): Promise<void> {
    try {
      const mac = await this.keys.mac('memo', Buffer.from(this.channel + text));
      await publisher.publish(this.channel, `${mac.toString('base64url')} ${text}`);
    } catch (error) {
      this.log.debug({ err: error }, 'a hint was lost');
    }
  }

  private async take(message: string): Promise<void> {
    const space = message.indexOf(' ');
    const text = message.slice(space + 1);
    const { current, retired } = this.keys.keys('memo');
    for (const kid of [current, ...retired]) {
      const mac = await this.keys.mac('memo', Buffer.from(this.channel + text), kid);
      if (macEquals(mac, Buffer.from(message.slice(0, space), 'base64url'))) {
        const hint = JSON.parse(text) as Hint;
        for (const heard of this.listeners) heard(hint);
        return;
      }
    }
    this.log.warn({}, 'a hint was forged');
  }

  private connect(): Redis {
    const redis = new Redis(this.config.redisUrl as string, { maxRetriesPerRequest: 1, enableOfflineQueue: true, connectTimeout: 2_000, retryStrategy: (times) => Math.min(2_000, times * 100) });
    let wasDown = false;
    redis.on('ready', () => { wasDown = false; });
    redis.on('error', (error: Error) => {
      if (!wasDown) this.log.warn({ err: error }, 'Redis does not answer; replicas find out by themselves');
      wasDown = true;
    });
    this.connections.push(redis);
    return redis;
  }

  onApplicationShutdown(): void {
    for (const redis of this.connections) redis.disconnect();
  }
}
