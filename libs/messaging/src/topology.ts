import {
  eventTypes, exchanges, hearsOf, outsideSays, queues, saysOf, services, submissionKey, vhosts, type EventType,
} from '@writ/contracts';
import { brokerUser } from './incoming.js';

/** What the broker must hold, derived from `flow`. The shapes are those of RabbitMQ's definitions and HTTP API. */
export interface Topology {
  exchanges: { name: string; type: 'topic'; durable: true; auto_delete: false; internal: false; arguments: object }[];
  queues: { name: string; durable: boolean; auto_delete: false; arguments: Record<string, unknown> }[];
  bindings: { source: string; destination: string; destination_type: 'queue'; routing_key: string; arguments: object }[];
}

export interface Permission {
  user: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

export interface TopicPermission {
  user: string;
  vhost: string;
  exchange: string;
  write: string;
  read: string;
}

/**
 * A message that ends the process is delivered again at most this often. Set explicitly: RabbitMQ 3.10 has no limit
 * by itself, 4.x has twenty, and a long outage of a database must not use it up.
 */
const deliveryLimit = 50;
/** Upstreams are told "later" once so many submissions wait. */
const maxWaitingSubmissions = 100_000;

/** Exchanges, queues and bindings of the main virtual host. */
export function mainTopology(): Topology {
  const exchange = (name: string) => ({ name, type: 'topic' as const, durable: true as const, auto_delete: false as const, internal: false as const, arguments: {} });
  const bind = (source: string, destination: string, routing_key: string) =>
    ({ source, destination, destination_type: 'queue' as const, routing_key, arguments: {} });
  const exchangeOf = (type: EventType) => ((outsideSays as readonly EventType[]).includes(type) ? exchanges.identity : exchanges.events);
  return {
    exchanges: [...Object.values(exchanges), parkingExchange].map(exchange),
    queues: [
      ...services.flatMap((service) => [workQueue(queues.events(service), queues.parking(service)), parkingQueue(queues.parking(service))]),
      workQueue(queues.submissions, queues.parking('request'), { 'x-max-length': maxWaitingSubmissions }),
    ],
    bindings: [
      ...services.flatMap((service) => hearsOf(service, eventTypes).map((type) => bind(exchangeOf(type), queues.events(service), type))),
      bind(exchanges.requests, queues.submissions, submissionKey),
      ...services.map((service) => bind(parkingExchange, queues.parking(service), queues.parking(service))),
    ],
  };
}

/** Nobody waits longer for an answer, so that none is worked out for callers who gave up. */
const rpcWaitMs = 5_000;
/** More questions, or more bytes of them, than are answered in that time. */
const maxWaitingQuestions = 20_000;
const maxWaitingBytes = 33_554_432;

/**
 * The virtual host of RPC: one transient queue, whose messages may hold tokens and so are never kept. It is bounded: whoever
 * publishes into a full one has it refused by the broker, and hears so where they publish with confirms, as Nest does.
 */
export function rpcTopology(): Topology {
  return {
    exchanges: [],
    queues: [{
      name: queues.rpc, durable: false, auto_delete: false,
      arguments: {
        'x-queue-type': 'classic', 'x-message-ttl': rpcWaitMs, 'x-max-length': maxWaitingQuestions, 'x-max-length-bytes': maxWaitingBytes, 'x-overflow': 'reject-publish',
      },
    }],
    bindings: [],
  };
}

const parkingExchange = 'writ.parking';

function workQueue(name: string, parking: string, more: Record<string, unknown> = {}): Topology['queues'][number] {
  return {
    name,
    durable: true,
    auto_delete: false,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': deliveryLimit,
      // At-least-once only works together with reject-publish; with the default overflow the broker silently drops.
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': parkingExchange,
      'x-dead-letter-routing-key': parking,
      ...more,
    },
  };
}

function parkingQueue(name: string): Topology['queues'][number] {
  return { name, durable: true, auto_delete: false, arguments: { 'x-queue-type': 'quorum' } };
}

/** What each service's broker user may do: read its own queues, publish to the exchanges it owns, nothing else. */
export function servicePermissions(): { permissions: Permission[]; topics: TopicPermission[] } {
  const vhost = vhosts.main;
  const permissions = services.map((service) => ({
    user: brokerUser(service),
    vhost,
    configure: '^$',
    write: anyOf(exchanges.events, ...(service === 'request' ? [exchanges.outcomes] : [])),
    read: anyOf(queues.events(service), queues.parking(service), ...(service === 'request' ? [queues.submissions] : [])),
  }));
  const topics = services.flatMap((service) => [
    // Without a topic permission every routing key would be allowed.
    { user: brokerUser(service), vhost, exchange: exchanges.events, write: anyOf(...saysOf(service)), read: '^$' },
    { user: brokerUser(service), vhost, exchange: exchanges.outcomes, write: service === 'request' ? '.*' : '^$', read: '^$' },
    ...[exchanges.requests, exchanges.identity].map((exchange) => ({ user: brokerUser(service), vhost, exchange, write: '^$', read: '^$' })),
  ]);
  const issuer = brokerUser('issuer');
  return {
    permissions: [...permissions, { user: issuer, vhost: vhosts.rpc, configure: anyOf(queues.rpc), write: '^amq\\.default$', read: anyOf(queues.rpc) }],
    topics,
  };
}

/**
 * What an upstream's broker user may do: ask, and read its own outcomes. The broker cannot let it declare queues and not
 * exchanges, and checks topics only where a message is published: by a binding, a dead letter or a CC header it reaches
 * everything bound to `writ.requests`, whatever the key. So nothing but submissions may ever be bound there.
 */
export function upstreamPermissions(upstream: string): { permissions: Permission[]; topics: TopicPermission[] } {
  const own = `^(amq\\.gen-.*|${escaped(upstream)}\\..+)$`;
  const vhost = vhosts.main;
  return {
    permissions: [{
      user: upstream, vhost, configure: own,
      write: `^(${escaped(exchanges.requests)}|amq\\.gen-.*|${escaped(upstream)}\\..+)$`,
      read: `^(${escaped(exchanges.outcomes)}|amq\\.gen-.*|${escaped(upstream)}\\..+)$`,
    }],
    topics: [
      { user: upstream, vhost, exchange: exchanges.requests, write: anyOf(submissionKey), read: '^$' },
      { user: upstream, vhost, exchange: exchanges.outcomes, write: '^$', read: `^${escaped(upstream)}\\.` },
      { user: upstream, vhost, exchange: exchanges.events, write: '^$', read: '^$' },
    ],
  };
}

/** What an identity system's broker user may do: say that an owner left. It owns nothing and reads nothing. */
export function identitySystemPermissions(user: string): { permissions: Permission[]; topics: TopicPermission[] } {
  const vhost = vhosts.main;
  return {
    permissions: [{ user, vhost, configure: '^$', write: anyOf(exchanges.identity), read: '^$' }],
    topics: [{ user, vhost, exchange: exchanges.identity, write: anyOf(...outsideSays), read: '^$' }],
  };
}

/** What a gateway's broker user may do: ask on the RPC queue and hear the answer. */
export function gatewayPermissions(user: string): { permissions: Permission[]; topics: TopicPermission[] } {
  const reply = '^amq\\.(gen-.*|rabbitmq\\.reply-to.*)$';
  return {
    permissions: [{ user, vhost: vhosts.rpc, configure: '^amq\\.gen-.*$', write: '^(amq\\.default|amq\\.gen-.*)$', read: reply }],
    topics: [],
  };
}

function anyOf(...names: string[]): string {
  return names.length === 0 ? '^$' : `^(${names.map(escaped).join('|')})$`;
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
