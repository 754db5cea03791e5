import type { AcceptedRequest, Narrowing } from '@writ/contracts';

/** Names what a vote's narrowing would add to the request; narrowing only shrinks. */
export function widening(request: AcceptedRequest, narrow: Narrowing): string | undefined {
  const added = (narrow.scopes ?? []).filter((scope) => !request.scopes.includes(scope));
  if (added.length > 0) return `${added.join(', ')} was not asked for`;
  if (narrow.expiresAt !== undefined && request.expiresAt !== undefined && Date.parse(narrow.expiresAt) > Date.parse(request.expiresAt)) {
    return `${narrow.expiresAt} is later than the end that was asked for`;
  }
  return undefined;
}
