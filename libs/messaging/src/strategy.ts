import { setTimeout as sleep } from 'node:timers/promises';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { DataSource } from 'typeorm';
import { eventTypes, hearsOf, queues, type ServiceName } from '@writ/contracts';
import { Broker } from './broker.js';
import { BatchConsumer } from './consumer.js';
import { eventDoor, isUnavailable, submissionDoor, submissionPattern, type Delivery, type Door } from './incoming.js';
import { Inbox } from './inbox.js';
import type { Log } from './log.js';
import { OutboxReader } from './outbox-reader.js';
import { Publisher } from './publisher.js';
import { Relay } from './relay.js';
import { tidy } from './tidy.js';
import { Transactions } from './transaction.js';

export interface MessagingOptions<S extends ServiceName> {
  service: S;
  brokerUrl: string;
  source: DataSource;
  log: Log;
  /** Messages per transaction; 200 by default. */
  batch?: number;
  /** Whether it takes messages; else other replicas have to. */
  consumes?: boolean;
  /** Milliseconds since 1970 that events carry; the machine's where nothing is given. */
  nowMs?: () => number;
}

const retryEveryMs = 250;
const tidyEveryMs = 60_000;

/**
 * Nest's door to the bus: outbox and relay out, inbox and batches in, for one service.
 * Starts only when the service has a handler for everything that `flow` says it hears, and none for anything else.
 */
export class Messaging<S extends ServiceName> extends Server implements CustomTransportStrategy {
  readonly transactions: Transactions<S>;
  /** Two connections, because a broker that blocks one for what it publishes reads no acknowledgements from it either. */
  private readonly incoming: Broker;
  private readonly outgoing: Broker;
  private readonly publisher: Publisher;
  private readonly relay: Relay;
  private readonly reader: OutboxReader;
  private readonly inbox: Inbox<S>;
  private readonly firstDoor: Door;
  private readonly doors: Door[];
  private readonly consumers: BatchConsumer[] = [];
  private readonly stopping = new AbortController();
  private retrying?: Promise<void>;

  constructor(private readonly options: MessagingOptions<S>) {
    super();
    const { service, brokerUrl, source, log } = options;
    this.transactions = new Transactions(source, service, options.nowMs);
    this.incoming = new Broker({ url: brokerUrl, name: `writ ${service} in`, log });
    this.outgoing = new Broker({ url: brokerUrl, name: `writ ${service} out`, log });
    const userId = decodeURIComponent(new URL(brokerUrl).username);
    this.publisher = new Publisher(this.outgoing, userId, log);
    this.reader = new OutboxReader(source, service, this.publisher, log);
    this.relay = new Relay(source, service, this.publisher, this.reader, log);
    this.transactions.leadTo(this.relay);
    this.firstDoor = eventDoor(service);
    this.doors = service === 'request' ? [this.firstDoor, submissionDoor] : [this.firstDoor];
    this.inbox = new Inbox(service, this.transactions, this.doors, (pattern, payload, tx) => this.dispatch(pattern, payload, tx), log);
  }

  /** Why messages do not flow just now, or undefined. */
  get trouble(): string | undefined {
    return this.publisher.trouble ?? this.incoming.trouble ?? (this.consumers.every((consumer) => consumer.consuming) ? undefined : 'a queue cannot be consumed');
  }

  listen(callback: (error?: unknown) => void): void {
    this.begin().then(() => callback(), callback);
  }

  /** Takes no more, finishes what it has, publishes what was said, and leaves. */
  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.consumers.map((consumer) => consumer.close()));
    await this.retrying;
    await this.relay.stop();
    await this.reader.stop();
    await Promise.all([this.incoming.close(), this.outgoing.close()]);
  }

  on(): never {
    throw new Error('This transport has no events of its own.');
  }

  unwrap<T>(): T {
    return this.incoming as T;
  }

  private async begin(): Promise<void> {
    this.checkHandlers();
    const { service, log, batch = 200, consumes = true } = this.options;
    const consume = (queue: string, size: number, handle: (deliveries: Delivery[]) => Promise<void>) =>
      this.consumers.push(new BatchConsumer(this.incoming, { queue, batch: size, log, handle }));
    if (consumes) {
      for (const door of this.doors) consume(door.queue, batch, (deliveries) => this.inbox.take(door, deliveries));
      // What the broker dead-lettered joins the waiting messages in SQL, where operators see it.
      consume(queues.parking(service), 1, (deliveries) => this.inbox.takeDead(deliveries));
    }
    await Promise.all([this.incoming.open(), this.outgoing.open()]);
    this.relay.start();
    this.reader.start();
    if (consumes) this.retrying = this.retryLoop();
  }

  private checkHandlers(): void {
    const { service } = this.options;
    const wanted = new Set<string>([...hearsOf(service, eventTypes), ...(service === 'request' ? [submissionPattern] : [])]);
    const present = new Set(this.messageHandlers.keys());
    const missing = [...wanted].filter((pattern) => !present.has(pattern));
    const extra = [...present].filter((pattern) => !wanted.has(pattern));
    if (missing.length > 0) throw new Error(`${service} hears ${missing.join(', ')} but has no handler for it.`);
    if (extra.length > 0) throw new Error(`${service} has a handler for ${extra.join(', ')} but does not hear it; see flow.ts.`);
  }

  private async dispatch(pattern: string, payload: unknown, tx: unknown): Promise<unknown> {
    const handler = this.messageHandlers.get(pattern);
    if (!handler) throw new Error(`There is no handler for ${pattern}.`);
    return handler(payload, tx);
  }

  private async retryLoop(): Promise<void> {
    let tidyAt = Date.now() + tidyEveryMs;
    while (!this.stopping.signal.aborted) {
      await sleep(retryEveryMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      if (this.stopping.signal.aborted) return;
      try {
        await this.inbox.retryDue();
        if (Date.now() >= tidyAt) {
          tidyAt = Date.now() + tidyEveryMs;
          await this.transactions.read((db) => tidy(db, this.stopping.signal));
        }
      } catch (error) {
        this.options.log.warn({ err: error }, 'waiting messages cannot be read just now');
        if (isUnavailable(error)) await sleep(tidyEveryMs / 30, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }
}
