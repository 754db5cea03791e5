import type { UsageRecorded } from '@writ/contracts';

/**
 * What one use says about a token's baseline: `v` a VALID one; `d` the living secret, refused for its scopes;
 * `r` the living secret, refused for another reason; `x` a secret that is dead.
 */
export type UseClass = 'v' | 'd' | 'r' | 'x';

/** Uses of one token that were alike, within one minute. */
export interface Observation {
  /** Four characters for event and slice, by which a repetition is recognised. */
  tag: string;
  /** When they began, in seconds since 1970. */
  at: number;
  use: UseClass;
  calls: number;
  network: string;
  agent: string;
  gateway: string;
  denied: readonly string[];
  generation?: number;
}

/** One token's uses of one slice of time: late reports of a day are judged as they happened, not as one heap. */
export interface Observed {
  tokenId: string;
  /** Seconds since 1970 of the newest use. */
  at: number;
  observations: Observation[];
}

/** One row for the series: calls of a token with one code in one minute. */
export interface MinuteUse {
  tokenId: string;
  minute: number;
  code: string;
  calls: number;
  /** Milliseconds since 1970. */
  lastAt: number;
}

export interface SourceUse {
  tokenId: string;
  kind: 'network' | 'agent' | 'scope' | 'gateway';
  value: string;
  firstAt: number;
  lastAt: number;
}

export interface UsageBatch {
  /** By token and slice. */
  slices: Map<string, Observed>;
  minutes: Map<string, MinuteUse>;
  sources: Map<string, SourceUse>;
}

/** Stands among the scopes that a token was used for where the gateway named none, as in an introspection: it may have needed any. No token is granted it. */
export const anyScope = '*';
const classes: Record<string, UseClass> = { VALID: 'v', INSUFFICIENT_SCOPE: 'd', RATE_LIMITED: 'r', WRONG_NETWORK: 'r', EXPIRED: 'x', REVOKED: 'x', NOT_FOUND: 'x' };
/** A record that covers more is taken for one of this length. */
const longestMinutes = 60;
const sliceMinutes = 10;
/** How far ahead of ours a verifier's clock may be. */
const skewMs = 60_000;

export function emptyBatch(): UsageBatch {
  return { slices: new Map(), minutes: new Map(), sources: new Map() };
}

/** Adds one event's records. Uses of unknown secrets concern no token and are passed over; SUSPENDED ones are only counted. */
export function addUsage(batch: UsageBatch, eventId: string, { records }: UsageRecorded, nowMs: number): void {
  for (const record of records) {
    const { tokenId, code, count } = record;
    if (tokenId === undefined) continue;
    const lastAt = Math.min(Date.parse(record.lastAt), nowMs + skewMs);
    const last = Math.floor(lastAt / 60_000);
    countMinute(batch, tokenId, last, code, count, lastAt);
    if (code === 'INTROSPECTED') addSource(batch, { tokenId, kind: 'scope', value: anyScope, firstAt: Math.min(Date.parse(record.firstAt), lastAt), lastAt });
    const use = classes[code];
    if (!use) continue;
    const { network = '', agent = '', gateway, scopes = [], denied = [], generation } = record;
    const firstAt = Math.max((last - longestMinutes + 1) * 60, Math.floor(Date.parse(record.firstAt) / 1000));
    const first = Math.min(last, Math.floor(firstAt / 60));
    const minutes = last - first + 1;
    for (let i = 0; i < minutes; i++) {
      const calls = Math.floor((count * (i + 1)) / minutes) - Math.floor((count * i) / minutes);
      const end = i === minutes - 1 ? Math.floor(lastAt / 1000) : (first + i) * 60 + 59;
      if (calls > 0) addObservation(batch, eventId, tokenId, end, { at: i === 0 ? Math.min(firstAt, end) : (first + i) * 60, use, calls, network, agent, gateway, denied, generation });
    }
    if (use !== 'v') continue; // What a source was refused says nothing about whose it is.
    for (const [kind, value] of [['network', network], ['agent', agent], ['gateway', gateway]] as const) addSource(batch, { tokenId, kind, value, firstAt: Math.min(firstAt * 1000, lastAt), lastAt });
    for (const scope of scopes.length > 0 ? scopes : [anyScope]) addSource(batch, { tokenId, kind: 'scope', value: scope, firstAt: Math.min(firstAt * 1000, lastAt), lastAt });
  }
}

function addObservation({ slices }: UsageBatch, eventId: string, tokenId: string, end: number, facts: Omit<Observation, 'tag'>): void {
  const slice = Math.floor(facts.at / 60 / sliceMinutes);
  const key = `${tokenId} ${slice}`;
  let observed = slices.get(key);
  if (!observed) slices.set(key, (observed = { tokenId, at: 0, observations: [] }));
  observed.at = Math.max(observed.at, end);
  // Slices are taken one by one, so each has a tag of its own: else the first would make repetitions of the others. Added,
  // not hashed along: of one event's slices no two may look alike.
  observed.observations.push({ tag: spelt(hashOf(eventId) + slice, 4), ...facts });
}

/** The slices in the order of time. */
export function slicesOf({ slices }: UsageBatch): Observed[] {
  const list = [...slices.values()];
  return list.length > 1 ? list.sort((a, b) => a.at - b.at) : list;
}

function countMinute({ minutes }: UsageBatch, tokenId: string, minute: number, code: string, calls: number, lastAt: number): void {
  const key = `${tokenId} ${minute} ${code}`;
  const row = minutes.get(key);
  if (!row) minutes.set(key, { tokenId, minute, code, calls, lastAt });
  else {
    row.calls += calls;
    row.lastAt = Math.max(row.lastAt, lastAt);
  }
}

function addSource({ sources }: UsageBatch, use: SourceUse): void {
  if (use.value === '') return;
  const key = sourceKey(use.tokenId, use.kind, use.value);
  const row = sources.get(key);
  if (!row) sources.set(key, use);
  else {
    row.firstAt = Math.min(row.firstAt, use.firstAt);
    row.lastAt = Math.max(row.lastAt, use.lastAt);
  }
}

export function sourceKey(tokenId: string, kind: string, value: string): string {
  return `${tokenId} ${kind} ${value}`;
}

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_';

/** FNV-1a folded into `length` characters of six bits: a name for a baseline's field, where bytes are dear. */
export function shortHash(text: string, length = 4): string {
  return spelt(hashOf(text), length);
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

function spelt(number: number, length: number): string {
  let short = '';
  for (let i = 0; i < length; i++) short += alphabet[(number >>> (i * 6)) & 63];
  return short;
}

/** Six characters: three for the surrounding /16 or /32, three for the network itself, so that neighbours show. */
export function networkHash(network: string): string {
  const wide = network.includes(':') ? network.split(':').slice(0, 2).join(':') : network.split('.').slice(0, 2).join('.');
  return shortHash(wide, 3) + shortHash(network, 3);
}
