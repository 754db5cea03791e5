import type { StateEntry, StateKind } from '@writ/token';
import type { VerifyAnswer, VerifyCode } from './answers.js';
import type { BatchAnswer, LeaseGrant, Registration } from './fleet-messages.js';
import { IssuerError } from './issuer-client.js';
import type { CachedState, CachedToken } from './token-cache.js';

/** Reads a message as the type it must be, and throws `issuer-answer-unreadable` where it is not. Unknown fields are passed over. */
export function readRegistration(answer: unknown): Registration {
  const message = object(answer);
  return { verifierId: text(message, 'verifierId'), leaseMs: count(message, 'leaseMs'), incarnation: text(message, 'incarnation'), headSeq: count(message, 'headSeq') };
}

export function readGrant(answer: unknown): LeaseGrant {
  const message = object(answer);
  return {
    nonce: text(message, 'nonce'), incarnation: text(message, 'incarnation'), headSeq: count(message, 'headSeq'),
    databaseTime: time(message, 'databaseTime'), entries: list(message, 'entries').map(readEntry), more: message['more'] === true,
  };
}

// A kind that this version does not know is kept: what it says about a token makes the cache forget that token.
function readEntry(answer: unknown): StateEntry {
  const message = object(answer);
  return {
    seq: count(message, 'seq'), kind: text(message, 'kind') as StateKind, at: text(message, 'at'), reasonCode: text(message, 'reasonCode'),
    tokenId: optionalText(message, 'tokenId'), ownerId: optionalText(message, 'ownerId'),
    generation: optionalCount(message, 'generation'),
  };
}

export function readBatch(answer: unknown, length: number): BatchAnswer {
  const message = object(answer);
  const results = list(message, 'results').map((result): VerifyAnswer => {
    const one = object(result);
    return { ...one, valid: one['valid'] === true, code: text(one, 'code') as VerifyCode, asOf: time(one, 'asOf'), seq: count(one, 'seq'), maxStalenessMs: count(one, 'maxStalenessMs') };
  });
  if (results.length !== length) throw unreadable('results');
  return { incarnation: text(message, 'incarnation'), results };
}

const cacheable: ReadonlySet<string> = new Set<CachedState>(['VALID', 'SUSPENDED', 'REVOKED', 'EXPIRED']);

/** What may be kept of an answer, or undefined when it concerns no known token, or only this one asking. */
export function cacheableToken(answer: VerifyAnswer): CachedToken | undefined {
  if (!cacheable.has(answer.code)) return undefined;
  const message = object(answer);
  const networks = answer.networks == null ? undefined : texts(message, 'networks');
  return {
    state: answer.code as CachedState, tokenId: text(message, 'tokenId'), owner: text(message, 'owner'), expiresAtMs: Date.parse(time(message, 'expiresAt')),
    grant: { audience: text(message, 'audience'), environment: text(message, 'environment'), scopes: texts(message, 'scopes'), networks, generation: optionalCount(message, 'generation'), ratePerMinute: optionalCount(message, 'ratePerMinute') },
  };
}

type Message = Readonly<Record<string, unknown>>;

function unreadable(field: string): IssuerError {
  return new IssuerError('issuer-answer-unreadable', `the issuer's answer has no usable ${field}`);
}

function object(value: unknown): Message {
  if (typeof value !== 'object' || value === null) throw unreadable('object');
  return value as Message;
}

function text(message: Message, field: string): string {
  const value = message[field];
  if (typeof value !== 'string') throw unreadable(field);
  return value;
}

function optionalText(message: Message, field: string): string | undefined {
  return message[field] == null ? undefined : text(message, field);
}

function count(message: Message, field: string): number {
  const value = message[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unreadable(field);
  return value;
}

function optionalCount(message: Message, field: string): number | undefined {
  return message[field] == null ? undefined : count(message, field);
}

function time(message: Message, field: string): string {
  const value = text(message, field);
  if (Number.isNaN(Date.parse(value))) throw unreadable(field);
  return value;
}

function list(message: Message, field: string): readonly unknown[] {
  const value = message[field];
  if (!Array.isArray(value)) throw unreadable(field);
  return value;
}

function texts(message: Message, field: string): readonly string[] {
  const values = list(message, field);
  if (!values.every((value) => typeof value === 'string')) throw unreadable(field);
  return values as readonly string[];
}
