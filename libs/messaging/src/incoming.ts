import {
  digestOfText, flow, isEventType, isFault, outsideSays, parseEnvelope, queues, saysOf, services, sourceOf, typePrefix,
  validateEvent, type Digest, type Envelope, type EnvelopeFault, type EventType, type Message, type ServiceName,
} from '@writ/contracts';

/** What came from a queue, before anything is believed of it. */
export interface Delivery {
  body: Buffer;
  /** Checked by the broker against who published; absent where the publisher set none. */
  userId?: string;
  /** The queue that the broker took it out of, for a dead letter. */
  diedIn?: string;
}

/** A submission as it arrived: the request service judges it, and answers what is wrong to its sender. */
export interface Submitted {
  body: Buffer;
  /** The upstream, as the broker knows it. */
  userId: string;
  envelope: Envelope | EnvelopeFault | { code: 'too-large'; detail: string };
}

export interface Accepted {
  delivery: Delivery;
  pattern: string;
  /** Identifies the message for the inbox; undefined where the handler recognises repetitions by a key of its own. */
  inboxId?: string;
  /** Names it in lists of waiting and parked messages. */
  messageId: string;
  bodyDigest: Digest;
  /** Messages of one subject are handled one after the other, others of a batch side by side. */
  subject: string;
  payload: Message | Submitted;
  traceparent?: string;
}

/** Can never be handled, however often it is tried. */
export interface Rejected {
  delivery: Delivery;
  messageId: string;
  bodyDigest: Digest;
  code: string;
  detail: string;
}

/** A way into a service: how the messages of one queue are read. */
export interface Door {
  name: 'events' | 'submissions';
  queue: string;
  read(delivery: Delivery): Accepted | Rejected;
}

export const submissionPattern = 'submission';
/** Submissions from here on are refused by their size alone. */
export const maxSubmissionBytes = 65_536;
const serviceUserPrefix = 'writ-';

/** The broker's user of a service. */
export function brokerUser(service: ServiceName): string {
  return serviceUserPrefix + service;
}

export function isRejected(item: Accepted | Rejected): item is Rejected {
  return 'code' in item;
}

/** Domain events: only those that their publisher may say, and that keep their contract. */
export function eventDoor(service: ServiceName): Door {
  return { name: 'events', queue: queues.events(service), read: readEvent };
}

/** Requests of upstreams: everything but a missing sender is for the request service to judge. */
export const submissionDoor: Door = { name: 'submissions', queue: queues.submissions, read: readSubmission };

function readEvent(delivery: Delivery): Accepted | Rejected {
  const bodyDigest = digestOfText(delivery.body);
  const envelope = parseEnvelope(delivery.body);
  const reject = (code: string, detail: string, messageId: string = bodyDigest): Rejected => ({ delivery, messageId, bodyDigest, code, detail });
  if (isFault(envelope)) return reject(envelope.code, envelope.detail);
  const messageId = storable(envelope.id, 256);
  if (!delivery.userId) return reject('user-id-missing', 'The message does not carry its publisher’s name.', messageId);
  const type = envelope.type.startsWith(typePrefix) ? envelope.type.slice(typePrefix.length) : '';
  if (!isEventType(type)) return reject('unknown-event', 'No contract has this event type.', messageId);
  if (!maySay(delivery.userId, envelope.source, type)) {
    return reject('forged-event', `${delivery.userId} may not say ${type} as ${envelope.source.slice(0, 128)}.`, messageId);
  }
  const checked = validateEvent(type, envelope.data);
  if ('problems' in checked) {
    const first = checked.problems[0];
    return reject('contract-broken', `${type}${first?.pointer ?? ''}: ${first?.message ?? 'unreadable'}`, messageId);
  }
  const message = {
    id: envelope.id,
    type,
    subject: envelope.subject ?? envelope.id,
    time: new Date(envelope.time),
    aggregateVersion: envelope.aggregateversion,
    producer: envelope.producer,
    producerSeq: envelope.producerseq,
    traceparent: envelope.traceparent,
    userId: delivery.userId,
    data: checked.value,
  } as Message;
  return { delivery, pattern: type, inboxId: envelope.id, messageId, bodyDigest, subject: message.subject, payload: message, traceparent: envelope.traceparent };
}

function maySay(userId: string, source: string, type: EventType): boolean {
  if ((outsideSays as readonly EventType[]).includes(type)) return !userId.startsWith(serviceUserPrefix);
  const service = services.find((name) => brokerUser(name) === userId);
  return service !== undefined && service in flow && source === sourceOf(service) && saysOf(service).includes(type);
}

function readSubmission(delivery: Delivery): Accepted | Rejected {
  const bodyDigest = digestOfText(delivery.body);
  const { userId, body } = delivery;
  const messageId = `${userId ?? 'nobody'}/${bodyDigest}`;
  if (!userId) {
    return { delivery, messageId, bodyDigest, code: 'user-id-missing', detail: 'The submission does not carry its sender’s broker user.' };
  }
  const envelope = body.length >= maxSubmissionBytes
    ? { code: 'too-large' as const, detail: `The submission has ${body.length} bytes; below ${maxSubmissionBytes} is the limit.` }
    : parseEnvelope(body);
  const { subject, traceparent } = 'code' in envelope ? { subject: messageId } : { subject: `${userId}/${envelope.id}`, traceparent: envelope.traceparent };
  return { delivery, pattern: submissionPattern, messageId, bodyDigest, subject, payload: { body, userId, envelope }, traceparent };
}

/** The beginning of a text, as PostgreSQL and JSON take it: a cut may go through a character, and what is quoted may hold anything. */
export function storable(text: string, length: number): string {
  return text.slice(0, length).replaceAll('\u0000', '\ufffd').toWellFormed();
}

/** Splits a batch so that no two messages of one subject are in the same turn, and their order is kept. */
export function turnsOf<T extends { subject: string }>(items: readonly T[]): T[][] {
  const turns: T[][] = [];
  const next = new Map<string, number>();
  for (const item of items) {
    const turn = next.get(item.subject) ?? 0;
    next.set(item.subject, turn + 1);
    (turns[turn] ??= []).push(item);
  }
  return turns;
}

const firstWaitMs = 250;
const longestWaitMs = 300_000;
/** A message that failed this often waits for an operator. */
export const maxAttempts = 10;

/** How long a message waits after its n-th failure; `spread` in 0..1 keeps failures from coming back in step. */
export function waitMs(attempts: number, spread: number): number {
  return Math.min(longestWaitMs, firstWaitMs * 3 ** (attempts - 1)) * (0.75 + spread / 2);
}

/**
 * Thrown by a handler whose service must not go on just now, whatever the message: it is kept at the broker, neither
 * acknowledged nor parked, and tried again.
 */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
}

/** Thrown by a handler for a message that no later try can make good: forged, or against a rule. It is parked at once. */
export class Unacceptable extends Error {
  constructor(readonly code: string, detail: string) {
    super(detail);
    this.name = 'Unacceptable';
  }
}

/** PostgreSQL is not there, or has no room just now: nothing was decided about the message itself. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof Unavailable) return true;
  if (!(error instanceof Error)) return false;
  const { code, driverError } = error as Error & { code?: unknown; driverError?: unknown };
  if (typeof code === 'string' && /^(08...|57P0[123]|53...|25P0[34]|ECONN\w+|ENOTFOUND|EPIPE|ETIMEDOUT|EAI_AGAIN)$/.test(code)) return true;
  if (/^(Connection terminated|timeout (exceeded )?when trying to connect|Client has encountered a connection error|Query read timeout|DataSource is not)/i.test(error.message)) return true;
  return driverError !== undefined && driverError !== error && isUnavailable(driverError);
}
