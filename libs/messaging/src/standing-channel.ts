import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel } from 'amqplib';
import type { Broker } from './broker.js';
import type { Log } from './log.js';

export interface StandingChannelOptions<C extends Channel> {
  /** What it is for, in the log. */
  name: string;
  log: Log;
  open: (model: ChannelModel) => Promise<C>;
  /** Runs on every new channel. Where it fails, another channel is tried after a pause. */
  setUp?: (channel: C) => Promise<void> | void;
}

const reopenMs = 1_000;

/**
 * A channel that stands while its connection does: the broker closes one for a queue that is gone, a right that came
 * late or an acknowledgement that took too long; then it is opened and set up again.
 */
export class StandingChannel<C extends Channel = Channel> {
  private channel?: C;
  private stopped = false;

  constructor(broker: Broker, private readonly options: StandingChannelOptions<C>) {
    broker.onConnect((model) => new Promise((tried) => void this.keep(model, tried)));
  }

  /** The open channel, perhaps still in its set-up. */
  get current(): C | undefined {
    return this.channel;
  }

  /** Closes it for good, and returns when the broker has read what was sent on it: a connection's end overtakes its channels. */
  async close(): Promise<void> {
    this.stopped = true;
    const { channel } = this;
    if (!channel) return;
    // Its own answer would be waited for in vain where the connection is lost; the event comes either way.
    const closed = new Promise((resolve) => channel.once('close', resolve));
    channel.close().catch(() => undefined);
    await closed;
  }

  /** @param tried is called after the first try, however it ended: what is missing here keeps nobody else from the connection */
  private async keep(model: ChannelModel, tried: () => void): Promise<void> {
    let alive = true;
    model.once('close', () => {
      alive = false;
    });
    while (alive && !this.stopped) {
      try {
        await this.use(model, tried);
      } catch (error) {
        this.options.log.error({ err: error, channel: this.options.name }, 'a channel cannot be used just now; trying again');
      }
      tried();
      await sleep(reopenMs, undefined, { ref: false });
    }
  }

  /** Opens one, and returns when it is closed. */
  private async use(model: ChannelModel, ready: () => void): Promise<void> {
    const { log, open, setUp } = this.options;
    const channel = await open(model);
    // Without this listener the process would end; the close event carries on from here.
    channel.on('error', (error: Error) => log.warn({ err: error, channel: this.options.name }, 'broker closed a channel'));
    const closed = new Promise<void>((resolve) => channel.once('close', () => {
      if (this.channel === channel) this.channel = undefined;
      resolve();
    }));
    this.channel = channel;
    try {
      await setUp?.(channel);
    } catch (error) {
      channel.close().catch(() => undefined);
      throw error;
    }
    ready();
    await closed;
  }
}
