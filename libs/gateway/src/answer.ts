import type { TokenFacts, VerifyAnswer, VerifyCode } from './answers.js';
import { inNetworks } from './networks.js';
import type { Grant } from './token-cache.js';
import type { VerifierState } from './verifier-state.js';

/** What a call wants to hold besides a live token. */
export interface Wanted {
  /** All of them. */
  readonly scopes?: readonly string[];
  readonly audience?: string;
  /** The answer is at least this fresh, or it is no. */
  readonly minSeq?: number;
  /** The end client's address, for tokens bound to networks. */
  readonly address?: string;
}

/** An answer from memory. The end is written out when asked for: formatting it would cost more than all the rest. */
class MemoryAnswer implements VerifyAnswer, TokenFacts {
  readonly valid: boolean;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly environment: string;
  readonly networks: readonly string[] | undefined;
  readonly generation: number | undefined;
  readonly ratePerMinute: number | undefined;

  constructor(
    readonly code: VerifyCode,
    readonly asOf: string,
    readonly seq: number,
    readonly maxStalenessMs: number,
    readonly tokenId: string,
    readonly owner: string,
    readonly expiresAtMs: number,
    grant: Grant,
  ) {
    this.valid = code === 'VALID';
    this.scopes = grant.scopes;
    this.audience = grant.audience;
    this.environment = grant.environment;
    this.networks = grant.networks;
    this.generation = grant.generation;
    this.ratePerMinute = grant.ratePerMinute;
  }

  get expiresAt(): string {
    return new Date(this.expiresAtMs).toISOString();
  }

  toJSON(): VerifyAnswer & TokenFacts {
    const { valid, code, asOf, seq, maxStalenessMs, tokenId, owner, scopes, audience, environment, expiresAt, networks, generation, ratePerMinute } = this;
    return { valid, code, asOf, seq, maxStalenessMs, tokenId, owner, scopes, audience, environment, expiresAt, networks, generation, ratePerMinute };
  }
}

/**
 * Answers from memory, or returns undefined when a read must decide: nothing known, not fresh enough,
 * or no lease. Synchronous on purpose: the clocks were read after the call began, and nothing may come
 * between looking at the lease and answering.
 */
export function answerFromMemory(state: VerifierState, digest: string, wanted: Wanted, mono: number, wall: number): VerifyAnswer | undefined {
  const slot = slotFor(state, digest, wanted, mono, wall);
  return slot < 0 ? undefined : answerAt(state, slot, wanted, wanted.audience, mono, wall);
}

/** The slot to answer from at this instant, or -1 when a read must decide. */
export function slotFor(state: VerifierState, digest: string, { minSeq }: Wanted, mono: number, wall: number): number {
  if (!state.mayAnswer(mono, wall)) return -1;
  const slot = state.cache.find(digest);
  return slot < 0 || (minSeq !== undefined && minSeq > seqOf(state, slot)) ? -1 : slot;
}

/** The answer from a slot that `slotFor` has just allowed, at the same clocks. */
export function answerAt(state: VerifierState, slot: number, wanted: Wanted, audience: string | undefined, mono: number, wall: number): VerifyAnswer & TokenFacts {
  const { cache } = state;
  const grant = cache.grant(slot);
  const expiresAtMs = cache.expiresAtMs(slot);
  const code = codeOf(cache.state(slot), expiresAtMs, grant, wanted, audience, state.databaseNowMs(mono, wall));
  return new MemoryAnswer(code, state.asOf, seqOf(state, slot), state.stalenessMs(mono, wall), cache.tokenId(slot), cache.owner(slot), expiresAtMs, grant);
}

// A token read later than the lease is as of its own read; everything else is as of what was applied.
function seqOf(state: VerifierState, slot: number): number {
  return Math.max(state.appliedSeq, state.cache.asOf(slot));
}

/**
 * The one order in which a call is refused, in the SDK as in the issuer: what the token is, then what it may.
 * @param nowMs database time
 */
export function codeOf<State extends string>(
  state: State, expiresAtMs: number, right: Pick<Grant, 'audience' | 'networks' | 'scopes'>, { scopes, address }: Wanted, audience: string | undefined, nowMs: number,
): State | 'EXPIRED' | 'WRONG_AUDIENCE' | 'WRONG_NETWORK' | 'INSUFFICIENT_SCOPE' {
  if (state !== 'VALID') return state;
  if (nowMs >= expiresAtMs) return 'EXPIRED';
  if (audience !== undefined && audience !== right.audience) return 'WRONG_AUDIENCE';
  if (right.networks !== undefined && !inNetworks(right.networks, address)) return 'WRONG_NETWORK';
  if (scopes !== undefined) for (const scope of scopes) if (!right.scopes.includes(scope)) return 'INSUFFICIENT_SCOPE';
  return state;
}
