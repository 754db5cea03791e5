import { createHash } from 'node:crypto';
import type { RotationCause } from '@writ/contracts';

/** What the calendar needs to know of a token. */
export interface Life {
  tokenId: string;
  expiresAt: Date;
  /** The secret is replaced this often. */
  rotateSeconds?: number;
  /** The old secret lives this long beside its successor. */
  graceSeconds?: number;
}

/** What the notices of a token's end depend on. */
export interface Ending {
  issuedAt: Date;
  expiresAt: Date;
  /** The shortest lead time that its owner was told at. */
  toldSeconds?: number;
}

export interface Terms {
  claimWindowSeconds: number;
  defaultGraceSeconds: number;
}

export interface Span {
  deadlineAt: Date;
  claimBefore: Date;
}

/** Rotations begin up to a tenth of the period early, so that tokens issued together do not rotate together. */
export const earlyShare = 0.1;
export const shortestWindowSeconds = 60;
const longestBackOffSeconds = 86_400;

/** A number in 0..1 that is always the same for a token: replicas and restarts plan alike. */
export function phaseOf(tokenId: string): number {
  return createHash('sha256').update(tokenId).digest().readUInt32BE(0) / 2 ** 32;
}

/**
 * Says when a secret's successor is due: never later than policy's period, and not at all where the token ends before
 * anybody could switch.
 * @param since when the secret reached its owner
 */
export function rotateAt(life: Life, since: Date, terms: Terms): Date | undefined {
  if (life.rotateSeconds === undefined) return undefined;
  const due = plus(since, life.rotateSeconds * (1 - earlyShare * phaseOf(life.tokenId)));
  return plus(due, windowSeconds(life, terms)) < life.expiresAt ? due : undefined;
}

/**
 * Fixes a rotation's end at its start. The old secret dies at the deadline at the latest, and with the token in any case;
 * in an emergency it dies at once, and the successor is still there to be claimed.
 */
export function spanOf(life: Life, cause: RotationCause, start: Date, terms: Terms): Span {
  const claimBefore = earliest(plus(start, windowSeconds(life, terms)), life.expiresAt);
  if (isUrgent(cause)) return { deadlineAt: start, claimBefore };
  return { deadlineAt: earliest(plus(start, windowSeconds(life, terms) + graceSeconds(life, terms)), life.expiresAt), claimBefore };
}

/** The old secret is out: it dies first, and its successor is claimed afterwards. */
export function isUrgent(cause: RotationCause): boolean {
  return cause === 'emergency' || cause === 'leak';
}

/** When a successor that nobody claimed is offered again: soon at first, then ever less often, while the token lives. */
export function retryAt(life: Life, attempts: number, now: Date, terms: Terms): Date | undefined {
  const waitSeconds = Math.min(longestBackOffSeconds, (windowSeconds(life, terms) / 8) * 2 ** Math.min(attempts, 20));
  const at = plus(now, waitSeconds);
  return plus(at, shortestWindowSeconds) < life.expiresAt ? at : undefined;
}

/** When the next expiry notice is due, perhaps in the past. `leads` in seconds. */
export function noticeAt(ending: Ending, leads: readonly number[]): Date | undefined {
  const next = Math.max(...untold(ending, leads));
  return next === -Infinity ? undefined : plus(ending.expiresAt, -next);
}

/** The lead time to tell now: the shortest that has come. Longer ones that were missed would say less. */
export function leadDue(ending: Ending, leads: readonly number[], now: Date): number | undefined {
  const due = untold(ending, leads).filter((lead) => plus(ending.expiresAt, -lead) <= now);
  return due.length === 0 ? undefined : Math.min(...due);
}

/** Lead times that fit into the token's life and say more than what was told, also where that was by other lead times. */
function untold({ issuedAt, expiresAt, toldSeconds = Infinity }: Ending, leads: readonly number[]): number[] {
  const lifeSeconds = (expiresAt.getTime() - issuedAt.getTime()) / 1_000;
  return leads.filter((lead) => lead < lifeSeconds && lead < toldSeconds);
}

function windowSeconds({ rotateSeconds }: Life, { claimWindowSeconds }: Terms): number {
  return rotateSeconds === undefined ? claimWindowSeconds : Math.min(claimWindowSeconds, Math.max(shortestWindowSeconds, rotateSeconds / 2));
}

function graceSeconds({ graceSeconds: granted, rotateSeconds }: Life, { defaultGraceSeconds }: Terms): number {
  return granted ?? Math.min(defaultGraceSeconds, rotateSeconds ?? Infinity);
}

function plus(time: Date, seconds: number): Date {
  return new Date(time.getTime() + Math.round(seconds * 1_000));
}

export function earliest(a: Date, b: Date): Date {
  return a < b ? a : b;
}

export function latest(a: Date, b: Date): Date {
  return a > b ? a : b;
}
