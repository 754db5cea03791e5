import { digestOf, type AcceptedRequest, type AlikeReview, type Quorum } from '@writ/contracts';

/** The key that near-identical requests of one requester share: same place, same reason to look, same people to agree. */
export function alikeKey(request: AcceptedRequest, code: string, require: readonly Quorum[]): string {
  const { requester, submitter, claimant, resource, environment, delivery } = request;
  return digestOf({ requester: { ...requester }, submitter: { ...submitter }, claimant: { ...claimant }, resource, environment, delivery: { ...delivery }, code, require: require.map((quorum) => ({ ...quorum })) });
}

/** Names every field of two alike requests that is not the same, so that nothing hides behind the one that is shown. */
export function differences(here: AcceptedRequest, there: AcceptedRequest): AlikeReview['differences'] {
  const fields: [string, (request: AcceptedRequest) => string | undefined][] = [
    ['scopes', ({ scopes }) => [...scopes].sort().join(' ')],
    ['ttl', ({ ttl }) => ttl], ['expiresAt', ({ expiresAt }) => expiresAt], ['reason', ({ reason }) => reason], ['replaces', ({ replaces }) => replaces],
    ['deliveryKey', ({ deliveryKeyThumbprint }) => deliveryKeyThumbprint], ['source', ({ source }) => source],
  ];
  return fields.flatMap(([field, of]) => {
    const [a, b] = [of(here) ?? '', of(there) ?? ''];
    return a === b ? [] : [{ field, here: a, there: b }];
  });
}
