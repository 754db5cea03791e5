import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ChannelModel, type RecoveringChannelModel } from 'amqplib';
import type { Log } from './log.js';

export interface BrokerOptions {
  url: string;
  /** Shown in the broker's list of connections. */
  name: string;
  log: Log;
  /** How often to try for the very first connection before giving up. */
  initialRetries?: number;
}

const heartbeatSeconds = 5;
/** A broker that blocks a connection does not read from it, not even that it is to be closed. */
const closeMs = 2_000;
/** In the buffer fits a whole round of the relay, which so goes out in one system call. */
const socketOptions = { timeout: 10_000, highWaterMark: 4 * 1024 * 1024 };

/**
 * One connection that comes back by itself. What depends on it registers a set-up, which runs after every connect,
 * in order of registration; an exception in it counts as a failed connect.
 */
export class Broker {
  private readonly setUps: ((model: ChannelModel) => Promise<void>)[] = [];
  private connection?: RecoveringChannelModel;
  private up = false;
  private blockedBy?: string;

  constructor(private readonly options: BrokerOptions) {}

  onConnect(setUp: (model: ChannelModel) => Promise<void>): void {
    this.setUps.push(setUp);
  }

  /** Connects. Fails only when the first connection cannot be had at all. */
  async open(): Promise<void> {
    const { log, name } = this.options;
    const url = new URL(this.options.url);
    url.searchParams.set('heartbeat', String(heartbeatSeconds));
    this.connection = await connect(url.toString(), {
      ...socketOptions,
      clientProperties: { connection_name: name },
      recovery: {
        initialDelay: 100,
        maxDelay: 3_000,
        maxRetries: Infinity,
        initialMaxRetries: this.options.initialRetries ?? 20,
        waitForConnect: false,
        setup: (model: ChannelModel) => this.setUp(model),
      },
    });
    this.connection.on('connect', () => {
      this.up = true;
      this.blockedBy = undefined;
      log.info({ broker: url.host }, 'broker connected');
    });
    this.connection.on('disconnect', (error: Error) => {
      this.up = false;
      log.warn({ err: error, broker: url.host }, 'broker connection lost; reconnecting');
    });
    this.connection.on('connect-failed', (error: Error) => log.warn({ err: error, broker: url.host }, 'broker does not answer'));
    this.connection.on('error', (error: Error) => log.warn({ err: error, broker: url.host }, 'broker connection error'));
    this.connection.on('blocked', (reason: string) => {
      this.blockedBy = reason;
      log.warn({ reason }, 'broker blocks publishers; events wait in the outbox');
    });
    this.connection.on('unblocked', () => {
      this.blockedBy = undefined;
      log.info({}, 'broker accepts publishers again');
    });
    await this.connection.waitForConnect();
  }

  /** Why nothing can be published just now, or undefined. */
  get trouble(): string | undefined {
    if (!this.up) return 'the broker is not connected';
    return this.blockedBy && `the broker blocks publishers: ${this.blockedBy}`;
  }

  async close(): Promise<void> {
    await Promise.race([this.connection?.close(), sleep(closeMs, undefined, { ref: false })]);
    this.up = false;
  }

  /** amqplib listens to the model only after its set-up: until then an error would end the process, and a close be missed. */
  private async setUp(model: ChannelModel): Promise<void> {
    let closed = false;
    model.on('error', () => undefined).once('close', () => {
      closed = true;
    });
    for (const setUp of this.setUps) await setUp(model);
    if (closed) throw new Error('the connection was lost while it was set up');
  }
}
