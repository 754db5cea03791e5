import type { Verification, VerificationCode } from '@writ/contracts';
import { codeOf, type Freshness, type Wanted } from '@writ/gateway';
import type { KnownToken } from '../state/state-by-log.js';

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
  const code = codeOf(token.state, token.expiresAtMs, token, wanted, wanted.audience, nowMs);
  return {
    valid: code === 'VALID', code, asOf: fresh.asOf, seq: fresh.seq, maxStalenessMs: fresh.maxStalenessMs, tokenId: token.tokenId, owner: token.owner,
    scopes: token.scopes, audience: token.audience, environment: token.environment, expiresAt: new Date(token.expiresAtMs).toISOString(), generation: token.generation, ...(token.networks ? { networks: token.networks } : {}),
    ...(token.ratePerMinute ? { ratePerMinute: token.ratePerMinute } : {}),
  };
}
