import type { Verification, VerificationCode } from '@writ/contracts';
import { inNetworks } from '@writ/gateway';
import type { KnownToken } from '../state/state-by-log.js';

/** What a caller wants to hold besides a living token. */
export interface Wanted {
  scopes?: readonly string[];
  audience?: string;
  minSeq?: number;
  /** Where the end client calls from. */
  address?: string;
}

export interface Freshness {
  asOf: string;
  seq: number;
  maxStalenessMs: number;
}

/** A refusal that tells nothing about any token. */
export function bare(code: VerificationCode, { asOf, seq, maxStalenessMs }: Freshness): Verification {
  return { valid: false, code, asOf, seq, maxStalenessMs };
}

/**
 * The answer to a caller that may see tokens of the given audiences; one of another audience does not exist for it.
 * @param nowMs database time
 */
export function answerTo(token: KnownToken | undefined, wanted: Wanted, audiences: readonly string[], fresh: Freshness, nowMs: number): Verification {
  if (!token || !audiences.includes(token.audience)) return bare('NOT_FOUND', fresh);
  const code = codeOf(token, wanted, nowMs);
  return {
    valid: code === 'VALID', code, asOf: fresh.asOf, seq: fresh.seq, maxStalenessMs: fresh.maxStalenessMs, tokenId: token.tokenId, owner: token.owner,
    scopes: token.scopes, audience: token.audience, environment: token.environment, expiresAt: new Date(token.expiresAtMs).toISOString(), generation: token.generation, ...(token.networks ? { networks: token.networks } : {}),
    ...(token.ratePerMinute ? { ratePerMinute: token.ratePerMinute } : {}),
  };
}

function codeOf(token: KnownToken, { scopes, audience, address }: Wanted, nowMs: number): VerificationCode {
  if (token.state !== 'VALID') return token.state;
  if (nowMs >= token.expiresAtMs) return 'EXPIRED';
  if (audience !== undefined && audience !== token.audience) return 'WRONG_AUDIENCE';
  if (token.networks && !inNetworks(token.networks, address)) return 'WRONG_NETWORK';
  if (scopes !== undefined && !scopes.every((scope) => token.scopes.includes(scope))) return 'INSUFFICIENT_SCOPE';
  return 'VALID';
}
