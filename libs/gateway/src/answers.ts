/**
 * Codes of a verification. Gateways must tolerate codes they do not know: everything but VALID is no.
 * UNAVAILABLE is said by this SDK alone: nobody could be asked in time, or the lease ran out.
 */
export const verifyCodes = [
  'VALID', 'NOT_FOUND', 'MALFORMED', 'EXPIRED', 'SUSPENDED', 'REVOKED', 'INSUFFICIENT_SCOPE', 'WRONG_AUDIENCE',
  'WRONG_NETWORK', 'RATE_LIMITED', 'STALE', 'UNAVAILABLE',
] as const;
export type VerifyCode = (typeof verifyCodes)[number];

/** What a gateway learns about a token it is an audience of. */
export interface TokenFacts {
  readonly tokenId: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly environment: string;
  /** When what was shown ends, RFC 3339 UTC: the token, or sooner its secret, once somebody has the next one. */
  readonly expiresAt: string;
  /** CIDR blocks the caller's address must lie in; absent = anywhere. */
  readonly networks?: readonly string[];
  /** Which of the token's secrets was shown: during a rotation it has two. */
  readonly generation?: number;
  /** The token may be used so often; absent = without a limit of its own. */
  readonly ratePerMinute?: number;
}

/** How fresh an answer is. It reflects every change committed at or before `asOf`, and every entry up to `seq`. */
export interface Freshness {
  /** Database time, RFC 3339 UTC. */
  readonly asOf: string;
  /** Position in the state log. */
  readonly seq: number;
  /** The answer reflects every change that was committed longer ago than this. */
  readonly maxStalenessMs: number;
}

/** Answer to one verification. Facts come with every code that concerns a known token of the caller's audience. */
export interface VerifyAnswer extends Freshness, Partial<TokenFacts> {
  readonly valid: boolean;
  readonly code: VerifyCode;
  /** With RATE_LIMITED: when to ask again. */
  readonly retryAfterMs?: number;
}
