import type { AcceptedRequest, DecisionClaims, RequestClaims } from '@writ/contracts';
import { digestOf, durationSeconds } from '@writ/contracts';
import type { CanonicalFacts, Decision } from '@writ/policy';

/** What was approved for the token that a request replaces. */
export interface Approved {
  input: CanonicalFacts;
  scopes: readonly string[];
}

/** What an earlier decision approved: its input is the one that was signed. Undefined where it approved nothing. */
export function approvedBy(record: Decision, { outcome, grant, inputDigest }: DecisionClaims): Approved | undefined {
  const { input } = record;
  if (outcome !== 'approve' || !grant || !input || digestOf(input) !== inputDigest) return undefined;
  return { input, scopes: grant.scopes };
}

/**
 * Whether a request only takes rights away from the token that it replaces: same owner, team, resource and environment,
 * no scope more, no later end, and less of either. That the token lives still, only the issuer can tell; it checks
 * all of this again by the token itself.
 */
export function isShrinking(request: AcceptedRequest, { replaces }: Pick<RequestClaims, 'replaces'>, approved: Approved | undefined, now: Date): boolean {
  if (request.replaces === undefined || !replaces || !approved) return false;
  const { input, scopes } = approved;
  const isSame = input.requester.id === request.requester.id && input.requester.team === request.requester.team
    && input.resource === request.resource && input.audience === request.audience && input.environment === request.environment;
  const end = request.expiresAt === undefined ? now.getTime() + (durationSeconds(request.ttl ?? '') ?? Infinity) * 1000 : Date.parse(request.expiresAt);
  const oldEnd = Date.parse(replaces.expiresAt);
  const hasLess = new Set(request.scopes).size < scopes.length || end < oldEnd;
  return isSame && request.scopes.every((scope) => scopes.includes(scope)) && end <= oldEnd && hasLess;
}
