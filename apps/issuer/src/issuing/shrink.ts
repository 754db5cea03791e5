import type { Refusal, Right, SignedRequest } from './may-issue.js';
import type { TokenRow } from '../tokens/token.row.js';

/** The token that is replaced, as it is now, and whether another one replaces it already. */
export interface Living {
  token: Pick<TokenRow, 'state' | 'owner_id' | 'owner_team' | 'claimant_iss' | 'claimant_sub' | 'resource' | 'audience' | 'environment' | 'scopes' | 'expires_at' | 'networks' | 'rate_per_minute'>;
  isReplaced: boolean;
}

/**
 * What is left of a right that was approved only because it shrinks a token: no more than that token, which must live.
 * Policy judged by what it had approved; here the token itself is asked.
 */
export function shrunk(right: Right, request: SignedRequest, living: Living | undefined): Right | Refusal {
  const refuse = (code: string, detail: string): Refusal => ({ code, detail });
  if (living?.token.state !== 'active') return refuse('replaced-token-not-active', 'The token to be narrowed is not in use: nothing of it can be kept without a decision of its own.');
  const { token, isReplaced } = living;
  if (isReplaced) return refuse('replaced-already', 'Another token replaces this one already.');
  const { requester, claimant, resource, audience, environment } = request;
  const isSame = token.owner_id === requester.id && token.owner_team === requester.team && token.claimant_iss === claimant.iss && token.claimant_sub === claimant.sub
    && token.resource === resource && token.audience === audience && token.environment === environment;
  if (!isSame || right.scopes.some((scope) => !token.scopes.includes(scope))) return refuse('not-a-narrowing', 'The request is for something that the replaced token is not.');
  const rate = Math.min(right.ratePerMinute ?? Infinity, token.rate_per_minute ?? Infinity);
  return {
    ...right, expiresAt: new Date(Math.min(right.expiresAt.getTime(), token.expires_at.getTime())),
    networks: right.networks ?? token.networks ?? undefined, ratePerMinute: rate === Infinity ? undefined : rate,
  };
}
