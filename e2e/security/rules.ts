import type { ServiceUrls } from '@writ/client';
import { people, type PersonName } from './callers.js';

/** The things that routes are about. All of them are the owner's; the colleague shares the owner's team. */
export interface Things {
  tokenId: string;
  unclaimedId: string;
  requestId: string;
  heldId: string;
  rotationId: string;
  simulationId: string;
  alertId: string;
  policyDigest: string;
  verifierId: string;
}

export interface Rule {
  /** Who may: everybody, registered gateways, or these people. */
  who: 'anyone' | 'gateway' | readonly PersonName[];
  /** What the people it is not for are told: that they may not, or that there is no such thing. */
  others?: 403 | 404;
  path?: (things: Things) => string;
  body?: unknown;
  /** The sign-in must be fresh. */
  stepUp?: true;
  /** It goes on while writers are told "later" because too many events wait to be published. */
  goesOn?: true;
  /** Nothing but this status means allowed, where the usual ones (none of 401, 403, 404) would say too little. */
  allowed?: number[];
}

const anyone = (more: Partial<Rule> = {}): Rule => ({ who: 'anyone', ...more });
const gateway = (more: Partial<Rule> = {}): Rule => ({ who: 'gateway', ...more });
/** By role: who lacks it is refused whatever the object is. */
const roles = (who: PersonName[], more: Partial<Rule> = {}): Rule => ({ who, others: 403, ...more });
/** By ownership or oversight: to everybody else the object does not exist. */
const theirs = (who: PersonName[], more: Partial<Rule> = {}): Rule => ({ who, others: 404, ...more });
const everybody = (more: Partial<Rule> = {}): Rule => ({ who: people, ...more });

const everywhere = { 'GET /health/live': anyone(), 'GET /health/ready': anyone(), 'GET /metrics': anyone(), 'GET /openapi.json': anyone() };
const reason = { reason: 'authorisation matrix' };

/**
 * Who may call which route, written down by hand: the code's own annotations are what this is compared with. Within a
 * service the order counts: what ends an object comes last.
 */
export const rules: Record<keyof ServiceUrls, Record<string, Rule>> = {
  request: {
    ...everywhere,
    'POST /v1/requests': everybody({ body: {}, allowed: [400] }),
    'GET /v1/requests': everybody(),
    'GET /v1/requests/{id}': theirs(['owner', 'reviewer', 'admin', 'auditor', 'policy admin'], { path: (its) => `/v1/requests/${its.requestId}`, allowed: [200] }),
    'POST /v1/upstreams': roles(['admin'], { stepUp: true, body: {}, allowed: [400] }),
    'GET /v1/upstreams': roles(['admin', 'auditor'], { allowed: [200] }),
    'POST /v1/sealing-keys': roles(['admin'], { stepUp: true, body: {}, allowed: [400] }),
    'DELETE /v1/requests/{id}': { goesOn: true, who: ['owner', 'admin'], path: (its) => `/v1/requests/${its.requestId}`, allowed: [409] },
  },
  policy: {
    ...everywhere,
    'POST /v1/policy-sets/validate': roles(['admin', 'policy admin'], { goesOn: true, body: {}, allowed: [400] }),
    'POST /v1/policy-sets': roles(['admin', 'policy admin'], { body: {}, allowed: [400] }),
    'GET /v1/policy-sets': roles(['admin', 'auditor', 'reviewer', 'policy admin'], { allowed: [200] }),
    'GET /v1/policy-sets/active': everybody({ allowed: [200] }),
    'GET /v1/policy-sets/{digest}': roles(['admin', 'auditor', 'reviewer', 'policy admin'], { path: (its) => `/v1/policy-sets/${its.policyDigest}`, allowed: [200] }),
    'POST /v1/policy-sets/{digest}/activate': roles(['admin', 'policy admin'], { stepUp: true, path: (its) => `/v1/policy-sets/${its.policyDigest}/activate`, body: {}, allowed: [200] }),
    'POST /v1/policy-sets/{digest}/simulate': roles(['admin', 'policy admin'], { path: (its) => `/v1/policy-sets/${its.policyDigest}/simulate`, body: { days: 0 }, allowed: [400] }),
    'GET /v1/simulations/{simulationId}': roles(['admin', 'auditor', 'policy admin'], { path: (its) => `/v1/simulations/${its.simulationId}`, allowed: [200] }),
    'GET /v1/reviews': roles(['reviewer', 'admin', 'auditor', 'policy admin'], { allowed: [200] }),
    'GET /v1/reviews/{requestId}': theirs(['owner', 'reviewer', 'admin', 'auditor', 'policy admin'], { path: (its) => `/v1/reviews/${its.heldId}`, allowed: [200] }),
    'GET /v1/decisions/{requestId}': roles(['reviewer', 'admin', 'auditor', 'policy admin'], { path: (its) => `/v1/decisions/${its.requestId}`, allowed: [200] }),
    'GET /v1/decisions/{requestId}/replay': roles(['reviewer', 'admin', 'auditor', 'policy admin'], { path: (its) => `/v1/decisions/${its.requestId}/replay`, allowed: [200] }),
    'POST /v1/reviews/{requestId}/votes': roles(['reviewer'], { stepUp: true, path: (its) => `/v1/reviews/${its.heldId}/votes`, body: { vote: 'approve', ...reason }, allowed: [200] }),
    'POST /v1/reviews/{requestId}/refusals': roles(['reviewer'], { path: (its) => `/v1/reviews/${its.heldId}/refusals`, body: {}, allowed: [400] }),
  },
  issuer: {
    ...everywhere,
    'GET /.well-known/oauth-authorization-server': anyone(),
    'POST /v1/tokens/verify': gateway({ body: { token: 'writ_dev_none' }, allowed: [200] }),
    'POST /v1/tokens/verify-batch': gateway({ body: { tokens: [{ token: 'writ_dev_none' }] }, allowed: [200] }),
    'POST /oauth2/introspect': gateway({ body: { token: 'writ_dev_none' }, allowed: [200] }),
    'POST /oauth2/revoke': gateway({ body: { token: 'writ_dev_none' }, allowed: [200] }),
    'GET /v1/forward-auth': gateway({ allowed: [401] }),
    ...Object.fromEntries(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [`${method} /v1/ext-authz/{path}`, gateway({ path: () => '/v1/ext-authz/orders', allowed: [401] })])),
    'POST /v1/fleet/verifiers': gateway({ body: {}, allowed: [400] }),
    'POST /v1/fleet/lease': gateway({ body: {}, allowed: [400] }),
    'POST /v1/usage': gateway({ body: {}, allowed: [400] }),
    'DELETE /v1/fleet/verifiers/{verifierId}': gateway({ path: (its) => `/v1/fleet/verifiers/${its.verifierId}`, allowed: [204] }),
    'POST /v1/burn': anyone({ goesOn: true, body: { token: 'writ_dev_none' } }),
    'POST /v1/gateways': roles(['admin'], { stepUp: true, body: {}, allowed: [400] }),
    'POST /v1/gateways/{clientId}/secret': roles(['admin'], { stepUp: true, path: () => '/v1/gateways/nobody/secret', body: {}, allowed: [404] }),
    'GET /v1/gateways': roles(['admin', 'auditor'], { allowed: [200] }),
    'POST /v1/revocations': roles(['admin'], { goesOn: true, body: {}, allowed: [400] }),
    'POST /v1/owners/{ownerId}/reinstate': roles(['admin'], { stepUp: true, path: () => '/v1/owners/nobody-left/reinstate', body: {}, allowed: [404] }),
    'GET /v1/tokens': everybody({ allowed: [200] }),
    'GET /v1/tokens/{tokenId}': theirs(['owner', 'admin', 'auditor', 'colleague'], { path: (its) => `/v1/tokens/${its.tokenId}`, allowed: [200] }),
    'GET /v1/tokens/{tokenId}/timeline': theirs(['owner', 'admin', 'auditor', 'colleague'], { path: (its) => `/v1/tokens/${its.tokenId}/timeline`, allowed: [200] }),
    'POST /v1/tokens/{tokenId}/claim': theirs(['owner'], { path: (its) => `/v1/tokens/${its.unclaimedId}/claim`, body: {}, allowed: [201] }),
    'POST /v1/tokens/{tokenId}/suspend': theirs(['owner', 'admin', 'colleague'], { goesOn: true, path: (its) => `/v1/tokens/${its.unclaimedId}/suspend`, body: reason, allowed: [200] }),
    // Of one that goes on already: the one above was suspended by an administrator too, who alone may lift that (apps/issuer/test/life).
    'POST /v1/tokens/{tokenId}/resume': theirs(['owner', 'admin', 'colleague'], { path: (its) => `/v1/tokens/${its.tokenId}/resume`, body: reason, allowed: [200, 409] }),
    'POST /v1/tokens/{tokenId}/transfer': { who: ['admin'], stepUp: true, path: (its) => `/v1/tokens/${its.unclaimedId}/transfer`, body: { to: 'svc:matrix', ...reason }, allowed: [200, 409] },
    'POST /v1/tokens/{tokenId}/revoke': theirs(['owner', 'admin', 'colleague'], { goesOn: true, path: (its) => `/v1/tokens/${its.unclaimedId}/revoke`, body: reason, allowed: [200] }),
  },
  rotation: {
    ...everywhere,
    'POST /v1/campaigns': roles(['admin'], { goesOn: true, stepUp: true, body: {}, allowed: [400] }),
    'GET /v1/campaigns/{id}': roles(['admin', 'auditor'], { path: () => '/v1/campaigns/cmp_00000000000000000000000000', allowed: [404] }),
    'POST /v1/campaigns/{id}/stop': roles(['admin'], { path: () => '/v1/campaigns/cmp_00000000000000000000000000/stop', body: reason, allowed: [404] }),
    'GET /v1/forecast': everybody({ allowed: [200] }),
    'GET /v1/rotations/{id}': theirs(['owner', 'admin', 'auditor'], { path: (its) => `/v1/rotations/${its.rotationId}`, allowed: [200] }),
    'GET /v1/tokens/{id}/rotations': theirs(['owner', 'admin', 'auditor'], { path: (its) => `/v1/tokens/${its.tokenId}/rotations`, allowed: [200] }),
    'POST /v1/tokens/{id}/rotate': theirs(['owner', 'admin'], { goesOn: true, path: (its) => `/v1/tokens/${its.tokenId}/rotate`, body: {}, allowed: [202] }),
    'POST /v1/rotations/{id}/stop': theirs(['owner', 'admin'], { path: (its) => `/v1/rotations/${its.rotationId}/stop`, body: reason, allowed: [200] }),
    'POST /v1/rotations/{id}/force': theirs(['owner', 'admin'], { goesOn: true, path: (its) => `/v1/rotations/${its.rotationId}/force`, body: reason, allowed: [200, 409] }),
  },
  audit: {
    ...everywhere,
    'GET /checkpoint': anyone(),
    'GET /verify.html': anyone(),
    'GET /tile/{path}': anyone({ path: () => '/tile/0/000' }),
    'GET /v1/log': anyone(),
    'POST /witness/add-checkpoint': anyone({ body: '""' }),
    'GET /witness/{originHash}/checkpoint': anyone({ path: () => `/witness/${'0'.repeat(64)}/checkpoint` }),
    'GET /v1/entries': roles(['auditor'], { allowed: [200] }),
    'GET /v1/entries/{index}/proof': roles(['auditor'], { path: () => '/v1/entries/0/proof', allowed: [200] }),
    'GET /v1/tokens/{id}/proof-bundle': roles(['auditor'], { path: (its) => `/v1/tokens/${its.tokenId}/proof-bundle`, allowed: [200] }),
    'POST /v1/subjects/{id}/erase': roles(['admin'], { stepUp: true, path: () => '/v1/subjects/nobody/erase', body: {}, allowed: [400] }),
  },
  monitor: {
    ...everywhere,
    'POST /v1/leaks': anyone({ goesOn: true, body: [] }),
    'GET /v1/alerts': everybody({ allowed: [200] }),
    // The alert is about bait: even the person it seems to belong to must not learn of it.
    'GET /v1/alerts/{id}': theirs(['reviewer', 'admin', 'auditor', 'policy admin'], { path: (its) => `/v1/alerts/${its.alertId}`, allowed: [200] }),
    'POST /v1/alerts/{id}/dismiss': { who: ['admin'], path: (its) => `/v1/alerts/${its.alertId}/dismiss`, body: reason, allowed: [200, 409] },
    'GET /v1/usage': everybody({ allowed: [200] }),
    'GET /v1/usage/{tokenId}': theirs(['owner', 'reviewer', 'admin', 'auditor', 'policy admin', 'colleague'], { path: (its) => `/v1/usage/${its.tokenId}`, allowed: [200] }),
    'GET /v1/detectors': everybody({ allowed: [200] }),
    'POST /v1/detectors/{detector}': roles(['admin'], { stepUp: true, path: () => '/v1/detectors/new-network', body: {}, allowed: [400] }),
    'POST /v1/honeytokens': roles(['admin'], { stepUp: true, body: {}, allowed: [400] }),
    'GET /v1/watch': roles(['admin', 'auditor'], { allowed: [200] }),
  },
};
