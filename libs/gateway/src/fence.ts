import type { StateEntry } from '@writ/token';
import type { LeaseAsk, LeaseGrant, LeaseRefusal, Receipt } from './fleet-messages.js';
import { clockDrift, clockToleranceMs } from './verifier-state.js';

/** The longest lease that may be asked for: within it a revocation that waits for the fleet returns, whoever is silent. */
export const maxLeaseMs = 800;

/** What a revocation does besides waiting: its commit, the list of the registered, the way of the answer. */
const aroundMs = 50;

/** Entries in one grant; the rest follows on the next ask. */
export const maxEntriesPerGrant = 1000;

/** What separates the length of a lease on the verifier's clock from the time the issuer waits it out. */
export interface FenceBounds {
  /** How much faster the issuer's clock may run than a verifier's: 0.001 = 1 ms in a second. */
  readonly drift: number;
  /** Clock tolerance of the verifiers, and slack for rounding. */
  readonly marginMs: number;
  /** Age that a head may have when it is granted: 0 when grants read the database, a replica's own lease when from memory. */
  readonly headAgeMs: number;
}

export const defaultFenceBounds: FenceBounds = { drift: 2 * clockDrift, marginMs: clockToleranceMs + 50, headAgeMs: 0 };

/**
 * The lease that is granted to whoever asks for one of `askedMs`: shorter by everything that a revocation adds to it, so
 * that the wait for a silent verifier is over within the lease asked for. 0 where nothing is left: such a verifier never answers.
 */
export function grantedLeaseMs(askedMs: number, bounds: FenceBounds = defaultFenceBounds): number {
  const waitMs = Math.min(askedMs, maxLeaseMs) - aroundMs;
  return Math.max(0, Math.floor((waitMs - bounds.marginMs) / (1 + bounds.drift) - bounds.headAgeMs));
}

/** What the issuer knows when it answers an ask; read in one snapshot, after the ask arrived. */
export interface GrantFacts {
  /** Registered, and not retired. */
  readonly registered: boolean;
  readonly incarnation: string;
  readonly headSeq: number;
  readonly databaseTime: string;
  /** Ascending from the ask's `appliedSeq` + 1; may be cut off at any length. Undefined = no longer kept. */
  readonly entries: readonly StateEntry[] | undefined;
}

/** Answers an ask, writing nothing: a thousand verifiers cost reads only. */
export function grantLease(ask: LeaseAsk, facts: GrantFacts): LeaseGrant | LeaseRefusal {
  if (!facts.registered || ask.incarnation !== facts.incarnation || !facts.entries) return 'rejoin';
  if (ask.appliedSeq > facts.headSeq) return 'ahead';
  const entries = facts.entries.slice(0, maxEntriesPerGrant);
  const last = entries.at(-1)?.seq ?? ask.appliedSeq;
  return { nonce: ask.nonce, incarnation: facts.incarnation, headSeq: facts.headSeq, databaseTime: facts.databaseTime, entries, more: last < facts.headSeq };
}

/** One row of the registry, listed after the commit of the entry that the fence is for. */
export interface FenceMember {
  readonly verifierId: string;
  readonly name: string;
  readonly leaseMs: number;
}

/** A verifier said that it has applied everything up to `appliedSeq`. Times are the issuer's monotonic milliseconds. */
export interface Acknowledgement {
  readonly verifierId: string;
  readonly incarnation: string;
  readonly appliedSeq: number;
  readonly at: number;
}

export interface FenceFacts {
  readonly seq: number;
  readonly incarnation: string;
  /** Issuer's monotonic time at which the commit was known to have happened: never before the commit. */
  readonly committedBy: number;
  /** Members listed after `committedBy`; undefined = the registry could not be read, or is in doubt. */
  readonly members: readonly FenceMember[] | undefined;
  /** Of each verifier the first acknowledgement that covers `seq`, or else any. */
  readonly acknowledgements: ReadonlyMap<string, Acknowledgement>;
}

export interface FenceState {
  /** No verifier under lease says VALID to a call begun from now on. */
  readonly done: boolean;
  readonly receipts: readonly Receipt[];
  /** When a verifier that stays silent will be fenced at the latest. */
  readonly doneBy: number;
}

/** When a lease that was granted without seeing the entry is over, on the issuer's clock. */
export function leaseOverBy(committedBy: number, leaseMs: number, bounds: FenceBounds): number {
  return committedBy + (leaseMs + bounds.headAgeMs) * (1 + bounds.drift) + bounds.marginMs;
}

/** Whether somebody has said that this entry, in this life of the log, is applied. */
export function covers(said: Acknowledgement | undefined, seq: number, incarnation: string): said is Acknowledgement {
  return said !== undefined && said.incarnation === incarnation && said.appliedSeq >= seq;
}

/**
 * Tells how far a change has reached the fleet: one receipt per verifier that has acknowledged it, or
 * whose lease without it has run out. Those registered after the commit began from a head that holds it.
 * In doubt about the registry, acknowledgements prove nothing about the unknown rest: the full time passes.
 */
export function fenceOf(facts: FenceFacts, now: number, bounds: FenceBounds = defaultFenceBounds): FenceState {
  const { seq, committedBy } = facts;
  if (!facts.members) {
    const doneBy = leaseOverBy(committedBy, grantedLeaseMs(maxLeaseMs, bounds), bounds);
    return { done: now >= doneBy, receipts: [], doneBy };
  }
  const receipts: Receipt[] = [];
  let doneBy = committedBy;
  for (const { verifierId, name, leaseMs } of facts.members) {
    const over = leaseOverBy(committedBy, leaseMs, bounds);
    const said = facts.acknowledgements.get(verifierId);
    const isIn = covers(said, seq, facts.incarnation);
    if (isIn) receipts.push({ verifierId, name, outcome: 'acknowledged', seq, latencyMs: Math.max(0, said.at - committedBy) });
    else if (now >= over) receipts.push({ verifierId, name, outcome: 'fenced', seq, latencyMs: over - committedBy });
    if (!isIn) doneBy = Math.max(doneBy, over);
  }
  return { done: receipts.length === facts.members.length, receipts, doneBy };
}
