import { requestDigest, verifyStatement, type Digest, type RequestClaims, type RequestSubmitted, type StatementFault, type Trust } from '@writ/contracts';

export type RequestDoubt = 'request-digest-differs' | 'statement-for-another-request' | StatementFault;

/**
 * Says why a request must not be decided: what is asked is not what the request service signed, byte for byte. Then
 * somebody changed the message on its way, and no outcome would be the right one.
 * @returns a code, or nothing where the request is what was signed
 */
export function doubtAbout(request: RequestSubmitted, trust: Trust, now: Date): RequestDoubt | undefined {
  const digest: Digest = requestDigest(request);
  if (digest !== request.requestDigest) return 'request-digest-differs';
  const claims = verifyStatement(trust, 'request', request.statement, now);
  if (typeof claims === 'string') return claims;
  const { requestId, requestDigest: signed } = claims as RequestClaims;
  return requestId === request.requestId && signed === digest ? undefined : 'statement-for-another-request';
}
