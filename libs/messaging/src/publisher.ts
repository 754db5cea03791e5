import type { Socket } from 'node:net';
import type { ConfirmChannel } from 'amqplib';
import type { Broker } from './broker.js';
import type { Log } from './log.js';
import { StandingChannel } from './standing-channel.js';

export interface Publication {
  exchange: string;
  routingKey: string;
  messageId: string;
  contentType: string;
  body: Buffer;
}

/** `stored`: confirmed and routed. `unroutable`: no queue wants it. `unknown`: perhaps stored; publish it again. */
export type PublishResult = 'stored' | 'unroutable' | 'unknown';

const confirmTimeoutMs = 10_000;

/**
 * Publishes persistent, mandatory messages and waits for the broker's confirms.
 * A confirm alone proves nothing about routing: the return of an unroutable message arrives before its confirm.
 */
export class Publisher {
  private readonly standing: StandingChannel<ConfirmChannel>;
  private gatherWrites?: () => void;
  private readonly returned = new Set<string>();

  constructor(private readonly broker: Broker, private readonly userId: string, private readonly log: Log) {
    this.standing = new StandingChannel(broker, {
      name: 'publications', log, open: (model) => model.createConfirmChannel(), setUp: (channel) => this.use(channel),
    });
  }

  /** Why nothing can be published just now, or undefined. */
  get trouble(): string | undefined {
    return this.broker.trouble ?? (this.standing.current ? undefined : 'the broker closed the channel that events leave by');
  }

  /** @returns one result per publication, in order; never throws. */
  async publish(publications: Publication[]): Promise<PublishResult[]> {
    const channel = this.standing.current;
    if (!channel || this.trouble) return publications.map(() => 'unknown');
    this.gatherWrites?.();
    const confirms = publications.map((publication) => this.publishOne(channel, publication));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, confirmTimeoutMs, 'late');
    });
    const results = await Promise.all(confirms.map((confirm) => Promise.race([confirm, late])));
    clearTimeout(timer);
    if (results.includes('late')) this.log.warn({ publications: results.length }, 'the broker confirmed too late; publishing again');
    return results.map((result) => (result === 'late' ? 'unknown' : result));
  }

  private use(channel: ConfirmChannel): void {
    this.returned.clear();
    channel.on('return', (message) => this.returned.add(String(message.properties.messageId)));
    const { stream } = (channel as unknown as { connection: { stream?: Socket } }).connection;
    this.gatherWrites = stream && (() => {
      // amqplib hands its frames to the socket a turn later, one system call each; corked they leave together.
      stream.cork();
      setImmediate(() => setImmediate(() => stream.uncork()));
    });
  }

  private publishOne(channel: ConfirmChannel, { exchange, routingKey, messageId, contentType, body }: Publication): Promise<PublishResult> {
    return new Promise((resolve) => {
      try {
        channel.publish(
          exchange, routingKey, body,
          { persistent: true, mandatory: true, messageId, userId: this.userId, contentType },
          (error) => resolve(error ? 'unknown' : this.returned.delete(messageId) ? 'unroutable' : 'stored'),
        );
      } catch {
        resolve('unknown'); // The channel closed under us: nothing is known, so the row stays in the outbox.
      }
    });
  }
}
