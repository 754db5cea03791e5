import type { EventType } from './events.js';

/**
 * Who says what and who hears it: the one source of queues, bindings, broker permissions, the events a service may
 * emit, the handlers it must have, the AsyncAPI document and the picture in the README.
 */
export const services = ['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor'] as const;
export type ServiceName = (typeof services)[number];

interface Part {
  /** In one line, for pictures and documents. */
  purpose: string;
  says: readonly EventType[];
  /** `*` is everything. */
  hears: readonly EventType[] | '*';
}

export const flow = {
  request: {
    purpose: 'people and systems ask here',
    says: ['request.submitted', 'request.refused', 'request.cancelled'],
    hears: [
      'request.approved', 'request.held', 'request.denied', 'request.lapsed', 'review.recorded',
      'token.issued', 'issue.refused', 'token.delivered', 'token.rotated', 'token.suspended', 'token.resumed',
      'token.revoked', 'token.expired', 'token.orphaned', 'token.straggling', 'token.transferred', 'token.expiring',
      'rotation.blocked', 'narrowing.proposed', 'misuse.detected',
    ],
  },
  policy: {
    purpose: 'says yes, no or "a human must look", and why',
    says: [
      'request.approved', 'request.held', 'request.denied', 'request.lapsed', 'review.recorded', 'policy.activated',
    ],
    hears: ['request.submitted', 'request.cancelled', 'trust.changed'],
  },
  issuer: {
    purpose: 'mints, verifies, stops; alone sees a plaintext secret',
    says: [
      'token.issued', 'issue.refused', 'token.delivered', 'token.rotated', 'token.retired', 'token.suspended',
      'token.resumed', 'token.revoked', 'token.expired', 'token.orphaned', 'token.straggling', 'token.transferred',
      'usage.recorded', 'stop.confirmed', 'stop.blocked',
    ],
    hears: [
      'request.submitted', 'request.cancelled', 'request.approved', 'policy.activated', 'rotation.due',
      'rotation.steered', 'misuse.detected', 'leak.reported', 'owner.deactivated',
    ],
  },
  rotation: {
    purpose: 'keeps the calendar',
    says: ['rotation.due', 'rotation.blocked', 'rotation.steered', 'token.expiring'],
    hears: [
      'token.issued', 'token.delivered', 'token.rotated', 'token.retired', 'token.suspended', 'token.resumed',
      'token.revoked', 'token.expired', 'token.orphaned', 'token.straggling', 'token.transferred', 'usage.recorded',
    ],
  },
  audit: {
    purpose: 'append-only record of everything said',
    says: ['checkpoint.published', 'audit.finding'],
    hears: '*',
  },
  monitor: {
    purpose: 'watches use, raises misuse',
    says: ['misuse.detected', 'leak.reported', 'narrowing.proposed', 'trust.changed', 'monitoring.changed'],
    hears: [
      'usage.recorded', 'stop.confirmed', 'stop.blocked', 'monitoring.changed', 'policy.activated', 'checkpoint.published',
      'audit.finding', 'message.parked', 'act.recorded', 'service.alive',
      'token.issued', 'issue.refused', 'token.retired', 'token.suspended', 'token.resumed', 'token.revoked', 'token.expired',
      'token.transferred',
    ],
  },
} as const satisfies Record<ServiceName, Part>;

/** Said by every service of itself. */
export const everyoneSays = ['message.parked', 'act.recorded', 'service.alive'] as const satisfies readonly EventType[];
/** How often a service says that it is alive, in milliseconds. */
export const aliveEveryMs = 20_000;
/** Of whom nothing was heard for so long, it is silent: two lost or late signs of life are no alarm yet, and the alarm comes within a minute. */
export const silentAfterMs = 55_000;
/** Said by identity systems outside, under broker users of their own, on an exchange that nobody else may write to. */
export const outsideSays = ['owner.deactivated'] as const satisfies readonly EventType[];

type FlowOf<S extends ServiceName> = (typeof flow)[S];
/** The events that a service may emit. */
export type Says<S extends ServiceName> = FlowOf<S>['says'][number] | (typeof everyoneSays)[number];
/** The events that a service must handle. */
export type Hears<S extends ServiceName> = FlowOf<S>['hears'] extends '*' ? EventType
  : Extract<FlowOf<S>['hears'] extends readonly (infer T)[] ? T : never, EventType>;

const says = new Map<ServiceName, readonly EventType[]>(services.map((service) => [service, [...flow[service].says, ...everyoneSays]]));
export function saysOf(service: ServiceName): readonly EventType[] {
  return says.get(service) ?? [];
}

/** What a service hears, spelled out. Nobody hears its own heartbeat twice: audit's `*` has every type once. */
export function hearsOf(service: ServiceName, all: readonly EventType[]): readonly EventType[] {
  const hears: readonly EventType[] | '*' = flow[service].hears;
  return hears === '*' ? all : hears;
}

/** Names on the broker. */
export const exchanges = { events: 'writ.events', requests: 'writ.requests', identity: 'writ.identity', outcomes: 'writ.outcomes' } as const;
export const vhosts = { main: 'writ', rpc: 'writ-rpc' } as const;
export const queues = {
  events: (service: ServiceName) => `writ.${service}`,
  parking: (service: ServiceName) => `writ.${service}.parking`,
  submissions: 'writ.request.submissions',
  rpc: 'writ.issuer.rpc',
} as const;
/** The routing key that upstreams publish requests with. */
export const submissionKey = 'token.request';
