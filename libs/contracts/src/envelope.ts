import { isTooDeep } from './depth.js';
import type { EventData, EventType } from './events.js';

/**
 * A CloudEvents 1.0 envelope in structured JSON mode (https://github.com/cloudevents/spec, v1.0.2).
 * Extension attributes are ours: `traceparent`, `aggregateversion`, `producer`, `producerseq`.
 */
export interface Envelope<D = unknown> {
  specversion: '1.0';
  id: string;
  source: string;
  /** `writ.` and the event's name. */
  type: string;
  time: string;
  datacontenttype: 'application/json';
  /** Id of the thing that changed: a request's, a token's. */
  subject?: string;
  traceparent?: string;
  /** Counts the changes of the subject, without a gap. */
  aggregateversion?: number;
  /** Which of the service's counters numbered this event: `issuer/3`. */
  producer?: string;
  /** The number, without a gap per producer, as decimal text. */
  producerseq?: string;
  data: D;
}

export const contentType = 'application/cloudevents+json';
/** Several envelopes of one type in one message (CloudEvents 1.0.2, JSON batch format). */
export const batchContentType = 'application/cloudevents-batch+json';
export const typePrefix = 'writ.';

export function cloudEventType(type: EventType): string {
  return typePrefix + type;
}

export function sourceOf(service: string): string {
  return `urn:writ:service:${service}`;
}

/** An envelope whose data passed the contract of its type. */
export interface Message<T extends EventType = EventType> {
  id: string;
  type: T;
  subject: string;
  time: Date;
  aggregateVersion?: number;
  producer?: string;
  producerSeq?: string;
  traceparent?: string;
  /** The broker-checked name of who published. */
  userId: string;
  data: EventData<T>;
}

export type EnvelopeFault = { code: 'malformed-json' | 'malformed-envelope'; detail: string };
const maxText = 1024;

/** Reads an envelope and checks its attributes, not its data. Total: bad input is an answer, never an exception. */
export function parseEnvelope(bytes: Uint8Array): Envelope | EnvelopeFault {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { code: 'malformed-json', detail: 'The message is not JSON in UTF-8.' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { code: 'malformed-envelope', detail: 'The message is not a JSON object.' };
  }
  if (isTooDeep(value)) return { code: 'malformed-envelope', detail: 'The message nests too deeply.' };
  const fault = envelopeFault(value as Record<string, unknown>);
  return fault ? { code: 'malformed-envelope', detail: fault } : (value as Envelope);
}

/** One JSON array, one envelope to a line: JSON text has no raw line breaks, so they can be told apart unread. */
export function joinEnvelopes(bodies: readonly string[]): string {
  return `[\n${bodies.join(',\n')}\n]`;
}

const between = Buffer.from(',\n');
/** A batch with more is not taken apart: each part could have to be parked. */
const mostInBatch = 1_000;

/** The bytes of each envelope of a batch; all of them as one, where it is no batch. Total. */
export function splitEnvelopes(batch: Buffer): Buffer[] {
  const envelopes = batch.length > 4 && batch[0] === 0x5b && batch[1] === 0x0a && batch.at(-2) === 0x0a && batch.at(-1) === 0x5d
    ? lines(batch, 2, batch.length - 2) : rewritten(batch);
  return envelopes.length > 0 && envelopes.length <= mostInBatch ? envelopes : [batch];
}

function lines(batch: Buffer, start: number, end: number): Buffer[] {
  const found: Buffer[] = [];
  for (let from = start; from <= end && found.length <= mostInBatch;) {
    const at = batch.indexOf(between, from);
    const to = at < 0 ? end : at;
    found.push(batch.subarray(from, to));
    from = to + between.length;
  }
  return found;
}

/** A batch that somebody else wrote. */
function rewritten(batch: Buffer): Buffer[] {
  try {
    const value: unknown = JSON.parse(batch.toString());
    return Array.isArray(value) ? value.map((envelope) => Buffer.from(JSON.stringify(envelope))) : [];
  } catch {
    return [];
  }
}

function envelopeFault(e: Record<string, unknown>): string | undefined {
  if (e.specversion !== '1.0') return 'specversion is not "1.0".';
  for (const name of ['id', 'source', 'type'] as const) {
    const text = e[name];
    if (typeof text !== 'string' || text === '' || !isPlain(text)) return `${name} is missing or no text.`;
  }
  for (const name of ['subject', 'traceparent', 'producer', 'producerseq'] as const) {
    const text = e[name];
    if (text !== undefined && (typeof text !== 'string' || !isPlain(text))) return `${name} is no text.`;
  }
  if (e.time !== undefined && (typeof e.time !== 'string' || Number.isNaN(Date.parse(e.time)))) return 'time is no time.';
  if (e.datacontenttype !== undefined && e.datacontenttype !== 'application/json') {
    return 'datacontenttype is not application/json.';
  }
  if (e.aggregateversion !== undefined && !Number.isSafeInteger(e.aggregateversion)) return 'aggregateversion is no number.';
  if (typeof e.data !== 'object' || e.data === null) return 'data is missing.';
  return undefined;
}

/** PostgreSQL stores no NUL in a text, and no half of a character. */
function isPlain(text: string): boolean {
  return text.length <= maxText && !text.includes('\0') && text.isWellFormed();
}

export function isFault(parsed: Envelope | EnvelopeFault): parsed is EnvelopeFault {
  return 'code' in parsed;
}
