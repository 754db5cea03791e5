import type { DecisionClaims } from '@writ/contracts';
import type { Decision, LiveToken, SimulationReport, StoredRequest } from '@writ/policy';

export interface PastDecision {
  requestId: string;
  record: string;
  decidedAt: Date;
  /** Of the last decision on the request. */
  statement: string;
}

/** The facts of a past request; malformed ones were never stored and cannot be decided again. */
export function requestOf({ requestId, record }: PastDecision): StoredRequest | undefined {
  const { input } = JSON.parse(record) as Decision;
  return input ? { requestId, facts: input } : undefined;
}

export interface Living {
  token: LiveToken;
  /** People agreed to it, so that a set which asks people again takes nothing away. */
  byPeople: boolean;
}

const hourSeconds = 3_600;

/**
 * What was approved and has not come to its end yet, as it would have to be asked for today. Named by its request:
 * whether the token was claimed or revoked since is not known here. What is left counts in whole hours, rounded up.
 */
export function livingOf({ requestId, record, decidedAt, statement }: PastDecision, now: Date): Living | undefined {
  const { input } = JSON.parse(record) as Decision;
  const { outcome, grant, require } = JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString()) as DecisionClaims;
  if (!input || outcome !== 'approve' || !grant) return undefined;
  const ends = [
    ...(grant.ttlSeconds === undefined ? [] : [decidedAt.getTime() + grant.ttlSeconds * 1000]),
    ...(grant.expiresAt === undefined ? [] : [Date.parse(grant.expiresAt)]),
  ];
  const leftSeconds = (Math.min(...ends) - now.getTime()) / 1000;
  if (!(leftSeconds > 0) || !Number.isFinite(leftSeconds)) return undefined;
  const ttlSeconds = Math.ceil(leftSeconds / hourSeconds) * hourSeconds;
  return { token: { tokenId: requestId, facts: { ...input, scopes: [...grant.scopes].sort(), ttlSeconds } }, byPeople: require.length > 0 };
}

/** Counts what people agreed to: held again it would be as it was, and only a denial takes it away. */
export function withPeoplesTokens(report: SimulationReport, people: SimulationReport['tokens']): SimulationReport {
  const { tokens } = report;
  return {
    ...report,
    tokens: {
      ...tokens, checked: tokens.checked + people.checked, denied: [...tokens.denied, ...people.denied], deniedCount: tokens.deniedCount + people.deniedCount,
    },
  };
}
