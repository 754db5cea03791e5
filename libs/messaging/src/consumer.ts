import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { batchContentType, splitEnvelopes } from '@writ/contracts';
import type { Broker } from './broker.js';
import type { Delivery } from './incoming.js';
import type { Log } from './log.js';
import { StandingChannel } from './standing-channel.js';

export interface ConsumerOptions {
  queue: string;
  /** Events in one transaction, at the most, and those that share a message with them. The broker sends twice as many messages ahead. */
  batch: number;
  /** Handles a batch, or throws: then it is tried again until it succeeds or the consumer closes. */
  handle: (deliveries: Delivery[]) => Promise<void>;
  log: Log;
}

/** A batch that is not full is followed by the next after this time: what a transaction costs is shared by all that came meanwhile. */
const paceMs = 40;
const firstPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * Takes messages from one queue in batches, one batch at a time: whatever arrived while the last was handled.
 * A batch is acknowledged after it was handled and never given back: a failing database is waited for.
 */
export class BatchConsumer {
  private readonly standing: StandingChannel;
  private tag?: string;
  private waiting: { message: ConsumeMessage; deliveries: Delivery[] }[] = [];
  private pumping?: Promise<void>;
  private closing = false;

  constructor(broker: Broker, private readonly options: ConsumerOptions) {
    const { queue: name, log } = options;
    this.standing = new StandingChannel(broker, { name, log, open: (model) => model.createChannel(), setUp: (channel) => this.consume(channel) });
  }

  get consuming(): boolean {
    return this.channel !== undefined && this.tag !== undefined;
  }

  /** Takes no more, handles what the broker already sent, and acknowledges it: a restart redelivers nothing. */
  async close(timeoutMs = 25_000): Promise<void> {
    this.closing = true;
    const result = await Promise.race([this.drain(), sleep(timeoutMs, 'late', { ref: false })]);
    if (result === 'late') this.options.log.warn({ queue: this.options.queue, left: this.waiting.length }, 'stopping with messages unhandled; the broker keeps them');
    await this.standing.close();
  }

  private get channel(): Channel | undefined {
    return this.standing.current;
  }

  private async drain(): Promise<void> {
    if (this.tag) await this.channel?.cancel(this.tag).catch(() => undefined);
    await this.pump();
  }

  private async consume(channel: Channel): Promise<void> {
    const { queue, batch, log } = this.options;
    if (this.closing) return;
    this.tag = undefined;
    this.waiting = []; // The broker delivers again what an earlier channel had not acknowledged.
    await channel.prefetch(batch * 2);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (this.channel !== channel) return;
      if (message) return this.arrived(message);
      log.error({ queue }, 'the broker cancelled the consumer'); // The queue was deleted: without a new channel the consumer would be dead in silence.
      channel.close().catch(() => undefined);
    });
    this.tag = consumerTag;
    log.info({ queue }, 'consuming');
  }

  private arrived(message: ConsumeMessage): void {
    this.waiting.push({ message, deliveries: deliveriesOf(message) });
    // A turn later everything that came in the same packet is there, and makes one batch.
    if (!this.pumping) setImmediate(() => void this.pump());
  }

  private pump(): Promise<void> {
    this.pumping ??= this.work().finally(() => {
      this.pumping = undefined;
    });
    return this.pumping;
  }

  private async work(): Promise<void> {
    while (this.waiting.length > 0 && this.channel) {
      const channel = this.channel;
      const startedAt = performance.now();
      const batch = this.nextBatch();
      const deliveries = batch.flatMap((each) => each.deliveries);
      const handled = await this.handle(channel, deliveries);
      const last = batch.at(-1);
      // What follows a batch that was given up stays unhandled too: its acknowledgement would speak for that batch as well.
      if (!handled && this.closing) this.waiting = [];
      else if (handled && last && this.channel === channel) channel.ack(last.message, true);
      const rest = paceMs - (performance.now() - startedAt);
      if (rest > 0 && deliveries.length < this.options.batch && !this.closing) await sleep(rest);
    }
  }

  /** Whole messages only, as many as have `batch` deliveries between them. */
  private nextBatch(): { message: ConsumeMessage; deliveries: Delivery[] }[] {
    let size = 0;
    const end = this.waiting.findIndex(({ deliveries }) => (size += deliveries.length) >= this.options.batch);
    return this.waiting.splice(0, end < 0 ? this.waiting.length : end + 1);
  }

  private async handle(channel: Channel, deliveries: Delivery[]): Promise<boolean> {
    for (let pause = firstPauseMs; this.channel === channel; pause = Math.min(longestPauseMs, pause * 2)) {
      try {
        await this.options.handle(deliveries);
        return true;
      } catch (error) {
        this.options.log.error({ err: error, queue: this.options.queue }, 'a batch cannot be stored just now; it is kept and tried again');
        if (this.closing) return false;
        await sleep(pause);
      }
    }
    return false;
  }
}

/** What one message carries: itself, or each event of a batch. */
function deliveriesOf({ content, properties }: ConsumeMessage): Delivery[] {
  const userId = typeof properties.userId === 'string' ? properties.userId : undefined;
  const diedIn = diedInOf(properties.headers);
  return (properties.contentType === batchContentType ? splitEnvelopes(content) : [content]).map((body) => ({ body, userId, diedIn }));
}

function diedInOf(headers: Record<string, unknown> | undefined): string | undefined {
  const deaths = headers?.['x-death'];
  const first: unknown = Array.isArray(deaths) ? deaths[0] : undefined;
  const queue = typeof first === 'object' && first !== null ? (first as { queue?: unknown }).queue : undefined;
  return typeof queue === 'string' ? queue : undefined;
}
