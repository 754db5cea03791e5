import { setTimeout as sleep } from 'node:timers/promises';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { ChannelModel } from 'amqplib';
import type { DataSource } from 'typeorm';
import { eventTypes, hearsOf, queues, type ServiceName } from '@writ/contracts';
import { Broker, guard } from './broker.js';
import { BatchConsumer, deliveriesOf } from './consumer.js';
import { eventDoor, isUnavailable, submissionDoor, submissionPattern, type Door } from './incoming.js';
import { Inbox } from './inbox.js';
import type { Log } from './log.js';
import { OutboxReader } from './outbox-reader.js';
import { Publisher } from './publisher.js';
import { Relay } from './relay.js';
import { Transactions } from './transaction.js';

export interface MessagingOptions<S extends ServiceName> {
  service: S;
  brokerUrl: string;
  source: DataSource;
  log: Log;
  /** Messages per transaction; 200 by default. */
  batch?: number;
  /** Milliseconds since 1970 that events carry; the machine's where nothing is given. */
  nowMs?: () => number;
}

const retryEveryMs = 250;
const tidyEveryMs = 60_000;
/** Sent events stay this long: a broker that lost confirmed messages can be given them again. */
const outboxKept = '1 day';
/** Repetitions are recognised this long. */
const inboxKept = '7 days';

/**
 * Nest's door to the bus: outbox and relay out, inbox and batches in, for one service.
 * Starts only when the service has a handler for everything that `flow` says it hears, and none for anything else.
 */
export class Messaging<S extends ServiceName> extends Server implements CustomTransportStrategy {
  readonly transactions: Transactions<S>;
  private readonly broker: Broker;
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
    this.broker = new Broker({ url: brokerUrl, name: `writ ${service}`, log });
    const userId = decodeURIComponent(new URL(brokerUrl).username);
    const publisher = new Publisher(this.broker, userId, log);
    this.reader = new OutboxReader(source, service, publisher, this.broker, log);
    this.relay = new Relay(source, service, publisher, this.broker, this.reader, log);
    this.transactions.leadTo(this.relay);
    this.firstDoor = eventDoor(service);
    this.doors = service === 'request' ? [this.firstDoor, submissionDoor] : [this.firstDoor];
    this.inbox = new Inbox(service, this.transactions, this.doors, (pattern, payload, tx) => this.dispatch(pattern, payload, tx), log);
  }

  /** Why messages do not flow just now, or undefined. */
  get trouble(): string | undefined {
    return this.broker.trouble ?? (this.consumers.every((consumer) => consumer.consuming) ? undefined : 'a queue cannot be consumed');
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
    await this.broker.close();
  }

  on(): never {
    throw new Error('This transport has no events of its own.');
  }

  unwrap<T>(): T {
    return this.broker as T;
  }

  private async begin(): Promise<void> {
    this.checkHandlers();
    const { service, log, batch = 200 } = this.options;
    for (const door of this.doors) {
      this.consumers.push(new BatchConsumer(this.broker, { queue: door.queue, batch, log, handle: (deliveries) => this.inbox.take(door, deliveries) }));
    }
    this.broker.onConnect((model) => this.consumeDead(model, queues.parking(service)));
    await this.broker.open();
    this.relay.start();
    this.reader.start();
    this.retrying = this.retryLoop();
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

  /** What the broker dead-lettered joins the parked messages in SQL, where operators see it. */
  private async consumeDead(model: ChannelModel, queue: string): Promise<void> {
    const channel = guard(await model.createChannel(), this.options.log);
    await channel.prefetch(1);
    await channel.consume(queue, (message) => {
      if (!message) return;
      const origin = this.doors.find((door) => door.queue === deadLetteredFrom(message.properties.headers)) ?? this.firstDoor;
      this.inbox.takeDead(origin, deliveriesOf(message))
        .then(() => channel.ack(message))
        .catch((error: unknown) => this.options.log.error({ err: error }, 'a dead letter could not be stored; the broker keeps it'));
    });
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
          await this.tidy();
        }
      } catch (error) {
        this.options.log.warn({ err: error }, 'waiting messages cannot be read just now');
        if (isUnavailable(error)) await sleep(tidyEveryMs / 30, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Bounded deletes, so that tidying never holds many locks. */
  private async tidy(): Promise<void> {
    await this.transactions.read(async (db) => {
      await db.query(
        `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox o WHERE created_at < now() - $1::interval
           AND NOT EXISTS (SELECT FROM outbox_unsent u WHERE u.id = o.id) ORDER BY id LIMIT 20000)`, [outboxKept]);
      await db.query(`DELETE FROM inbox WHERE message_id IN (SELECT message_id FROM inbox WHERE received_at < now() - $1::interval LIMIT 20000)`, [inboxKept]);
    });
  }
}

function deadLetteredFrom(headers: Record<string, unknown> | undefined): string | undefined {
  const deaths = headers?.['x-death'];
  const first: unknown = Array.isArray(deaths) ? deaths[0] : undefined;
  const queue = typeof first === 'object' && first !== null ? (first as { queue?: unknown }).queue : undefined;
  return typeof queue === 'string' ? queue : undefined;
}
