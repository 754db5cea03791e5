import { randomBytes } from 'node:crypto';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import {
  batchContentType, cloudEventType, contentType, exchanges, makeId, services, sourceOf, splitEnvelopes, vhosts, type EventData, type EventType, type ServiceName,
} from '@writ/contracts';
import {
  brokerUser, gatewayPermissions, identitySystemPermissions, mainTopology, servicePermissions, upstreamPermissions, type Permission, type TopicPermission,
} from '@writ/messaging';
import { backingUrls, uniqueName } from './backing.js';

const password = 'test';
/** Much longer than anything takes: a slow machine is no failure. */
const longestWaitMs = 40_000;

/** What a listener at the bus heard. */
export interface Heard {
  type: string;
  routingKey: string;
  exchange: string;
  envelope: Record<string, unknown> & { id: string; data: Record<string, unknown> };
}

/** A virtual host of its own, with the topology, users and permissions that a deployment has. */
export class TestBus {
  private readonly connections: ChannelModel[] = [];
  private readonly publishers = new Map<string, Promise<ConfirmChannel>>();

  private constructor(readonly vhost: string) {}

  static async create(): Promise<TestBus> {
    const bus = new TestBus(uniqueName('writ'));
    await api('PUT', `/vhosts/${bus.vhost}`, {});
    const { username } = new URL(backingUrls().amqp);
    await api('PUT', `/permissions/${bus.vhost}/${username}`, { configure: '.*', write: '.*', read: '.*' });
    await api('POST', `/definitions/${bus.vhost}`, mainTopology());
    for (const service of services) await api('PUT', `/users/${brokerUser(service)}`, { password, tags: '' });
    await bus.allow(servicePermissions());
    return bus;
  }

  /** The broker address of a service or upstream. */
  url(user: string): string {
    const url = new URL(backingUrls().amqp);
    url.username = user;
    url.password = password;
    url.pathname = `/${this.vhost}`;
    return url.toString();
  }

  serviceUrl(service: ServiceName): string {
    return this.url(brokerUser(service));
  }

  adminUrl(): string {
    const url = new URL(backingUrls().amqp);
    url.pathname = `/${this.vhost}`;
    return url.toString();
  }

  /** Registers an upstream at the broker. @returns its broker address */
  async addUpstream(name: string): Promise<string> {
    return this.add(name, upstreamPermissions(name));
  }

  /** Registers an identity system at the broker. @returns its broker address */
  async addIdentitySystem(name: string): Promise<string> {
    return this.add(name, identitySystemPermissions(name));
  }

  /** Registers a gateway at the broker, for RPC in this virtual host. @returns its broker address */
  async addGateway(name: string): Promise<string> {
    const { permissions, topics } = gatewayPermissions(name);
    return this.add(name, { permissions: permissions.map((rights) => ({ ...rights, vhost: vhosts.main })), topics });
  }

  /** Says an event as a service would, through the broker's checks. @returns the event's id */
  async say<T extends EventType>(service: ServiceName, type: T, data: EventData<T>, envelope: Record<string, unknown> = {}): Promise<string> {
    const id = makeId('evt', Date.now(), randomBytes(10));
    const subject = (data as { tokenId?: string }).tokenId ?? (data as { requestId?: string }).requestId ?? id;
    const body = { specversion: '1.0', id, source: sourceOf(service), type: cloudEventType(type), time: new Date().toISOString(), datacontenttype: 'application/json', subject, data, ...envelope };
    await this.publish(brokerUser(service), exchanges.events, type, Buffer.from(JSON.stringify(body)));
    return String(body.id);
  }

  /** Publishes any bytes as a user; resolves when the broker confirmed. */
  async publish(user: string, exchange: string, routingKey: string, body: Buffer, options: { userId?: string | null; contentType?: string } = {}): Promise<void> {
    const channel = await this.publisherOf(user);
    const userId = options.userId === null ? undefined : (options.userId ?? user);
    await new Promise<void>((resolve, reject) => {
      channel.publish(exchange, routingKey, body, { persistent: true, mandatory: true, contentType: options.contentType ?? contentType, ...(userId === undefined ? {} : { userId }) }, (error: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  /** Listens to everything said on an exchange from now on. */
  async tap(exchange: string = exchanges.events, key = '#'): Promise<Tap> {
    const connection = await this.connect(this.adminUrl());
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, key);
    const tap = new Tap();
    await channel.consume(queue, (message) => {
      if (!message) return;
      const { routingKey, exchange: from } = message.fields;
      const bodies = message.properties.contentType === batchContentType ? splitEnvelopes(message.content) : [message.content];
      for (const envelope of bodies.map(readJson)) {
        if (envelope) tap.hear({ type: String(envelope.type).replace(/^writ\./, ''), routingKey, exchange: from, envelope });
      }
    }, { noAck: true });
    return tap;
  }

  /** How many messages lie in a queue. */
  async depth(queue: string): Promise<number> {
    const connection = await this.connect(this.adminUrl());
    const channel = await connection.createChannel();
    const { messageCount } = await channel.checkQueue(queue);
    await channel.close();
    return messageCount;
  }

  /** Lets a queue no longer hear an event, so that it does not fill up where nobody reads it. */
  async unbind(queue: string, key: string, exchange: string = exchanges.events): Promise<void> {
    const channel = await (await this.connect(this.adminUrl())).createChannel();
    await channel.unbindQueue(queue, exchange, key);
    await channel.close();
  }

  /** Takes everything said from now on and forgets it: what no queue wants its speaker would say again and again. */
  async forget(exchange: string = exchanges.events): Promise<void> {
    const channel = await (await this.connect(this.adminUrl())).createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true, maxLength: 1 });
    await channel.bindQueue(queue, exchange, '#');
  }

  async drop(): Promise<void> {
    for (const connection of this.connections) await connection.close().catch(() => undefined);
    await api('DELETE', `/vhosts/${this.vhost}`);
  }

  private async add(name: string, rights: ReturnType<typeof upstreamPermissions>): Promise<string> {
    await api('PUT', `/users/${name}`, { password, tags: '' });
    await this.allow(rights);
    return this.url(name);
  }

  private async allow({ permissions, topics }: { permissions: Permission[]; topics: TopicPermission[] }): Promise<void> {
    for (const { user, vhost, configure, write, read } of permissions) {
      if (vhost === vhosts.main) await api('PUT', `/permissions/${this.vhost}/${user}`, { configure, write, read });
    }
    for (const { user, vhost, exchange, write, read } of topics) {
      if (vhost === vhosts.main) await api('PUT', `/topic-permissions/${this.vhost}/${user}`, { exchange, write, read });
    }
  }

  private async publisherOf(user: string): Promise<ConfirmChannel> {
    let channel = this.publishers.get(user);
    if (!channel) {
      channel = this.connect(this.url(user)).then(async (connection) => {
        const opened = await connection.createConfirmChannel();
        opened.on('error', () => undefined);
        opened.on('close', () => this.publishers.delete(user));
        return opened;
      });
      this.publishers.set(user, channel);
    }
    return channel;
  }

  private async connect(url: string): Promise<ChannelModel> {
    const connection = await connect(url);
    connection.on('error', () => undefined);
    this.connections.push(connection);
    return connection;
  }
}

/** Everything heard, and a way to wait for more. */
export class Tap {
  readonly heard: Heard[] = [];
  private readonly waiting = new Set<() => void>();

  hear(message: Heard): void {
    this.heard.push(message);
    for (const wake of this.waiting) wake();
  }

  ofType(type: string): Heard[] {
    return this.heard.filter((message) => message.type === type);
  }

  /** The first message of the type that fits, also when it was heard before. */
  async next(type: string, fits: (data: Record<string, unknown>) => boolean = () => true, timeoutMs = longestWaitMs): Promise<Heard> {
    const find = () => this.heard.find((message) => message.type === type && fits(message.envelope.data));
    return until(find, `${type} to be said`, timeoutMs, this.waiting);
  }
}

/** Waits until the question has an answer. */
export async function until<Answer>(
  ask: () => Answer | undefined | false | Promise<Answer | undefined | false>, what: string, timeoutMs = longestWaitMs, wakers?: Set<() => void>,
): Promise<Answer> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}.`);
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        wakers?.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, 50);
      wakers?.add(wake);
    });
  }
}

/** Tests also publish junk, which a tap passes over. */
function readJson(bytes: Buffer): Heard['envelope'] | undefined {
  try {
    return JSON.parse(bytes.toString()) as Heard['envelope'];
  } catch {
    return undefined;
  }
}

async function api(method: string, path: string, body?: unknown): Promise<void> {
  const base = new URL(backingUrls().management);
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`).toString('base64')}`;
  const answer = await fetch(`${base.protocol}//${base.host}/api${path}`, {
    method, headers: { authorization, 'content-type': 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(15_000),
  });
  if (!answer.ok && answer.status !== 404) throw new Error(`RabbitMQ answered ${answer.status} to ${method} ${path}: ${(await answer.text()).slice(0, 300)}`);
}
