import { durationInWords } from './duration.js';
import type { CanonicalFacts } from './facts.js';

/** Says a request in words, without its reason and without anything secret. */
export function requestInWords({ requester, resource, scopes, environment, ttlSeconds, submitter, shrinkOnly, replaces }: CanonicalFacts): string {
  const extras = [
    requester.trust === 'normal' ? '' : `, ${requester.trust}`,
    requester.openIncidents === 0 ? '' : `, with ${requester.openIncidents} open incidents`,
    submitter === requester.id ? '' : `, handed in by ${submitter}`,
    shrinkOnly ? ', only shrinking a token' : replaces ? ', replacing a token' : '',
  ].join('');
  return `${requester.id} of team ${requester.team}${extras}, asking for ${scopes.join(', ')} on ${resource} in ${environment} for ${durationInWords(ttlSeconds)}`;
}
