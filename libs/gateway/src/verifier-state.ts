import type { StateEntry } from '@writ/token';
import type { LeaseAsk, LeaseGrant, Registration } from './fleet-messages.js';
import { TokenCache, type CachedToken } from './token-cache.js';

/** Both clocks in milliseconds: `mono` never steps, `wall` is the system's. Read together, after the call began. */
export interface Clocks {
  readonly mono: number;
  readonly wall: number;
}

/** A read of the issuer's database that arrived: the token's facts as of a place in the state log. */
export interface ReadResult {
  readonly digest: string;
  readonly token: CachedToken;
  readonly seq: number;
  readonly incarnation: string;
}

/**
 * How much wall and monotonic clock may part within a lease. Covers slewing and rounding; a machine
 * that slept, or whose clock was stepped, is over it. The issuer's margin includes it.
 */
export const clockToleranceMs = 50;

/**
 * How far the rates of two clocks may differ: 1 ms in a second. Crystals stay within 0.1, and time
 * daemons slew by at most 0.5, on either side.
 */
export const clockDrift = 0.001;

const maxOutstandingAsks = 4;
const recentLimit = 4096;

interface Ask extends Clocks {
  readonly nonce: string;
}

/**
 * What one verifier knows and may say: the fleet protocol's side without clocks, timers and network.
 * Callers bring the time and carry the messages.
 *
 * Why an answer given under `mayAnswer` is never a stale yes: a grant that did not name a revocation
 * read the head before its commit, so it was asked for before it, and its lease, counted from the
 * asking, is over L after it. A grant that names it counts only once it has been applied.
 */
export class VerifierState {
  readonly cache: TokenCache;
  #verifierId = '';
  #incarnation = '';
  #leaseMs = 0;
  #applied = 0;
  // The lease: asked for at these clocks, good for leaseMs from then; none when the length is 0.
  #askedMono = 0;
  #clockOffset = 0;
  #length = 0;
  #asOf = '';
  #asOfMs = 0;
  #asks: Ask[] = [];
  // The last entries applied, so that a read slightly older than `applied` need not be thrown away.
  #recent: StateEntry[] = [];

  constructor(capacity: number) {
    this.cache = new TokenCache(capacity);
  }

  get verifierId(): string {
    return this.#verifierId;
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  /** Every entry up to here is reflected in every answer. */
  get appliedSeq(): number {
    return this.#applied;
  }

  /** Database time of the lease, RFC 3339 UTC: every change committed by then is reflected. */
  get asOf(): string {
    return this.#asOf;
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** Starts from nothing at the registered head. An empty memory has applied everything, but holds no lease yet. */
  joined(registration: Registration): void {
    this.cache.clear();
    this.#verifierId = registration.verifierId;
    this.#incarnation = registration.incarnation;
    this.#leaseMs = registration.leaseMs;
    this.#applied = registration.headSeq;
    this.#asks = [];
    this.#recent = [];
    this.voidLease();
  }

  /** Makes the ask to send now. The lease it may bring runs from these clocks, not from the answer's arrival. */
  ask(nonce: string, { mono, wall }: Clocks, holdMs: number): LeaseAsk {
    this.#asks = [...this.#asks.slice(1 - maxOutstandingAsks), { nonce, mono, wall }];
    return { verifierId: this.#verifierId, incarnation: this.#incarnation, nonce, appliedSeq: this.#applied, holdMs };
  }

  /**
   * Takes the answer to an ask. Entries are applied in order and without a gap; the lease counts only
   * when they reach the head that the answer names.
   * @returns `leased`; `behind` = ask again at once; `rejoin` = another incarnation, register anew;
   *   `ignored` = no ask of ours, or one answered already.
   */
  granted(grant: LeaseGrant): 'leased' | 'behind' | 'rejoin' | 'ignored' {
    const ask = this.#asks.find(({ nonce }) => nonce === grant.nonce);
    if (!ask) return 'ignored';
    this.#asks = this.#asks.filter((other) => other !== ask);
    if (grant.incarnation !== this.#incarnation) {
      this.voidLease();
      this.cache.clear();
      return 'rejoin';
    }
    for (const entry of grant.entries) this.#apply(entry);
    if (this.#applied < grant.headSeq) return 'behind';
    // Answers may overtake each other: the younger ask wins, whichever answer came last.
    if (this.#length === 0 || ask.mono >= this.#askedMono) this.#take(ask, grant.databaseTime);
    return 'leased';
  }

  #take(ask: Ask, databaseTime: string): void {
    this.#askedMono = ask.mono;
    this.#clockOffset = ask.wall - ask.mono;
    this.#length = this.#leaseMs;
    this.#asOf = databaseTime;
    this.#asOfMs = Date.parse(databaseTime);
  }

  #apply(entry: StateEntry): void {
    if (entry.seq !== this.#applied + 1) return;
    this.cache.apply(entry);
    this.#applied = entry.seq;
    this.#recent.push(entry);
    if (this.#recent.length > 2 * recentLimit) this.#recent = this.#recent.slice(-recentLimit);
  }

  /** Stops answering until a lease asked for from now on is granted. */
  voidLease(): void {
    this.#length = 0;
    this.#asks = [];
  }

  /**
   * Whether this verifier may answer from memory at this instant. Call it with clocks read after the
   * call began, and answer without awaiting anything. Clocks that parted void the lease for good, and
   * with it the asks under way: they may have been sent before a sleep.
   */
  mayAnswer(mono: number, wall: number): boolean {
    const age = mono - this.#askedMono;
    if (!(age < this.#length)) return false;
    if (age >= 0 && Math.abs(wall - mono - this.#clockOffset) <= clockToleranceMs) return true;
    this.voidLease();
    return false;
  }

  /**
   * Upper bound of the age of what answers reflect, under a lease. The larger of both clocks' opinions:
   * a sleep within the tolerance shows on the wall clock alone.
   */
  stalenessMs(mono: number, wall: number): number {
    return Math.ceil(this.#age(mono, wall));
  }

  /**
   * Upper bound of the database's time now, in milliseconds since 1970, under a lease. It was sampled
   * after the ask was sent, so tokens end no later than they do in the database, at most a held ask earlier.
   */
  databaseNowMs(mono: number, wall: number): number {
    return this.#asOfMs + this.#age(mono, wall);
  }

  #age(mono: number, wall: number): number {
    return (mono - this.#askedMono + Math.max(0, wall - mono - this.#clockOffset)) * (1 + clockDrift);
  }

  /**
   * Keeps a read that arrived, if it may still be believed: under a live lease, of this incarnation,
   * and no entry applied since it was made concerns it. What is not kept must not be answered from.
   */
  admit({ digest, token, seq, incarnation }: ReadResult, { mono, wall }: Clocks): 'kept' | 'no-lease' | 'stale' {
    if (!this.mayAnswer(mono, wall)) return 'no-lease';
    if (incarnation !== this.#incarnation || !this.#unchangedSince(seq, token)) return 'stale';
    this.cache.put(digest, token, Math.max(seq, this.#applied));
    return 'kept';
  }

  #unchangedSince(seq: number, token: CachedToken): boolean {
    const missed = this.#applied - seq;
    if (missed <= 0) return true;
    if (missed > this.#recent.length) return false;
    return !this.#recent.slice(-missed).some((entry) => concerns(entry, token));
  }
}

function concerns(entry: StateEntry, token: CachedToken): boolean {
  if (entry.kind === 'epoch') return entry.ownerId === undefined || entry.ownerId === token.owner;
  return entry.tokenId === token.tokenId;
}
