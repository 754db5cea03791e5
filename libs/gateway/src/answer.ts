import type { VerifyAnswer, VerifyCode } from './answers.js';
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
class MemoryAnswer implements VerifyAnswer {
  readonly valid: boolean;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly environment: string;
  readonly networks: readonly string[] | undefined;

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
  }

  get expiresAt(): string {
    return new Date(this.expiresAtMs).toISOString();
  }

  toJSON(): VerifyAnswer {
    const { expiresAtMs, ...rest } = this;
    return { ...rest, expiresAt: this.expiresAt };
  }
}

/**
 * Answers from memory, or returns undefined when a read must decide: nothing known, not fresh enough,
 * or no lease. Synchronous on purpose: the clocks were read after the call began, and nothing may come
 * between looking at the lease and answering.
 */
export function answerFromMemory(state: VerifierState, digest: string, wanted: Wanted, mono: number, wall: number, audience = wanted.audience): VerifyAnswer | undefined {
  if (!state.mayAnswer(mono, wall)) return undefined;
  const { cache } = state;
  const slot = cache.find(digest);
  if (slot < 0) return undefined;
  // A token read later than the lease is as of its own read; everything else is as of what was applied.
  const seq = Math.max(state.appliedSeq, cache.asOf(slot));
  if (wanted.minSeq !== undefined && wanted.minSeq > seq) return undefined;
  const grant = cache.grant(slot);
  const expiresAtMs = cache.expiresAtMs(slot);
  const known = cache.state(slot);
  const code = known !== 'VALID' ? known
    : state.databaseNowMs(mono, wall) >= expiresAtMs ? 'EXPIRED'
    : codeFor(grant, wanted, audience);
  return new MemoryAnswer(code, state.asOf, seq, state.stalenessMs(mono, wall), cache.tokenId(slot), cache.owner(slot), expiresAtMs, grant);
}

function codeFor(grant: Grant, wanted: Wanted, audience: string | undefined): VerifyCode {
  if (audience !== undefined && audience !== grant.audience) return 'WRONG_AUDIENCE';
  if (grant.networks !== undefined && !inNetworks(grant.networks, wanted.address)) return 'WRONG_NETWORK';
  if (wanted.scopes !== undefined) for (const scope of wanted.scopes) if (!grant.scopes.includes(scope)) return 'INSUFFICIENT_SCOPE';
  return 'VALID';
}
