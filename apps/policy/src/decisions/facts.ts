import { durationSeconds, type AcceptedRequest } from '@writ/contracts';
import type { PolicyFacts, TrustLevel } from '@writ/policy';

/** What the monitor last said of an owner. */
export interface OwnerTrust {
  openIncidents: number;
  code: string;
}

/**
 * What policy decides by. A lifetime counts from issue; of an absolute end what is left of it now, rounded up.
 * An end that has passed gives facts that are malformed, and those are denied.
 */
export function factsOf(request: AcceptedRequest, trust: OwnerTrust | undefined, shrinkOnly: boolean, now: Date): PolicyFacts {
  return {
    requester: { id: request.requester.id, team: request.requester.team, openIncidents: trust?.openIncidents ?? 0, trust: trustLevel(trust) },
    submitter: request.submitter.sub,
    resource: request.resource,
    audience: request.audience,
    scopes: request.scopes,
    environment: request.environment,
    ttlSeconds: ttlSecondsOf(request, now),
    replaces: request.replaces !== undefined,
    shrinkOnly,
  };
}

function ttlSecondsOf({ ttl, expiresAt }: AcceptedRequest, now: Date): number {
  if (expiresAt !== undefined) return Math.ceil((Date.parse(expiresAt) - now.getTime()) / 1000);
  return durationSeconds(ttl ?? '') ?? 0;
}

/** Incidents that are open are a reason to look; one that shows a token of theirs where bait was taken is more than that, as long as it is open. */
export function trustLevel(trust: OwnerTrust | undefined): TrustLevel {
  if (!trust || trust.openIncidents === 0) return 'normal';
  return trust.code === 'honeytoken-source' ? 'distrusted' : 'watched';
}
