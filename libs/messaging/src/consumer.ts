import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { batchContentType, splitEnvelopes } from '@writ/contracts';
import { guard, type Broker } from './broker.js';
import type { Delivery } from './incoming.js';
import type { Log } from './log.js';

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
const reopenMs = 1_000;

/**
 * Takes messages from one queue in batches, one batch at a time: whatever arrived while the last was handled.
 * A batch is acknowledged after it was handled and never given back: a failing database is waited for.
 */
export class BatchConsumer {
  private model?: ChannelModel;
  private channel?: Channel;
  private tag?: string;
  private waiting: { message: ConsumeMessage; deliveries: Delivery[] }[] = [];
  private pumping?: Promise<void>;
  private closing = false;

  constructor(broker: Broker, private readonly options: ConsumerOptions) {
    broker.onConnect(async (model) => {
      this.model = model;
      await this.openOrRetry(model);
    });
  }

  get consuming(): boolean {
    return this.tag !== undefined;
  }

  /** Takes no more, handles what the broker already sent, and acknowledges it: a restart redelivers nothing. */
  async close(timeoutMs = 25_000): Promise<void> {
    this.closing = true;
    const { channel, tag } = this;
    if (!channel) return;
    if (tag) await channel.cancel(tag).catch(() => undefined);
    const drained = this.pump().then(() => 'drained');
    const result = await Promise.race([drained, sleep(timeoutMs, 'late', { ref: false })]);
    if (result === 'late') this.options.log.warn({ queue: this.options.queue, left: this.waiting.length }, 'stopping with messages unhandled; the broker keeps them');
    await channel.close().catch(() => undefined);
  }

  private async openOrRetry(model: ChannelModel): Promise<void> {
    const { queue, log } = this.options;
    while (!this.closing && this.model === model) {
      try {
        await this.open(model);
        return;
      } catch (error) {
        if (this.model !== model || (error as { code?: number }).code === undefined) throw error;
        log.error({ err: error, queue }, 'the queue cannot be consumed; trying again');
        await sleep(reopenMs);
      }
    }
  }

  private async open(model: ChannelModel): Promise<void> {
    const { queue, batch, log } = this.options;
    const channel = guard(await model.createChannel(), log);
    this.waiting = []; // The broker delivers again what an earlier channel had not acknowledged.
    this.channel = channel;
    channel.on('close', () => this.lost(channel));
    await channel.prefetch(batch * 2);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (this.channel !== channel) return;
      if (message) this.arrived(message);
      else void this.reopen(model, channel); // The queue was deleted: without this the consumer would be dead in silence.
    });
    this.tag = consumerTag;
    log.info({ queue }, 'consuming');
  }

  private lost(channel: Channel): void {
    if (this.channel !== channel) return;
    this.channel = undefined;
    this.tag = undefined;
    this.waiting = [];
  }

  private async reopen(model: ChannelModel, channel: Channel): Promise<void> {
    this.options.log.error({ queue: this.options.queue }, 'the broker cancelled the consumer');
    this.lost(channel);
    await channel.close().catch(() => undefined);
    await this.openOrRetry(model).catch((error: unknown) => this.options.log.warn({ err: error }, 'the consumer waits for the next connection'));
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
      if (handled && last && this.channel === channel) channel.ack(last.message, true);
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
export function deliveriesOf({ content, properties }: ConsumeMessage): Delivery[] {
  const userId = typeof properties.userId === 'string' ? properties.userId : undefined;
  return (properties.contentType === batchContentType ? splitEnvelopes(content) : [content]).map((body) => ({ body, userId }));
}
