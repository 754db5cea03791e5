import type { ServiceUrls } from '@writ/client';

/**
 * What browsers may reach through the console: of each service's OpenAPI document the operations that people call with
 * a bearer token. Gateways' routes, public ones and the services' own health are no part of it. A new operation is
 * closed until it stands here; `e2e/console` compares this with the documents.
 */
export const operations: Record<keyof ServiceUrls, readonly string[]> = {
  request: [
    'POST /v1/requests', 'GET /v1/requests', 'GET /v1/requests/{id}', 'DELETE /v1/requests/{id}', 'POST /v1/upstreams', 'GET /v1/upstreams', 'POST /v1/sealing-keys',
  ],
  policy: [
    'POST /v1/policy-sets/validate', 'POST /v1/policy-sets', 'GET /v1/policy-sets', 'GET /v1/policy-sets/active', 'GET /v1/policy-sets/{digest}',
    'POST /v1/policy-sets/{digest}/activate', 'POST /v1/policy-sets/{digest}/simulate', 'GET /v1/simulations/{simulationId}', 'GET /v1/reviews',
    'GET /v1/reviews/{requestId}', 'POST /v1/reviews/{requestId}/votes', 'POST /v1/reviews/{requestId}/refusals', 'GET /v1/decisions/{requestId}', 'GET /v1/decisions/{requestId}/replay',
  ],
  issuer: [
    'GET /v1/tokens', 'GET /v1/tokens/{tokenId}', 'GET /v1/tokens/{tokenId}/timeline', 'POST /v1/tokens/{tokenId}/claim', 'POST /v1/tokens/{tokenId}/suspend',
    'POST /v1/tokens/{tokenId}/resume', 'POST /v1/tokens/{tokenId}/transfer', 'POST /v1/tokens/{tokenId}/revoke', 'POST /v1/revocations', 'POST /v1/owners/{ownerId}/reinstate',
    'POST /v1/gateways', 'POST /v1/gateways/{clientId}/secret', 'GET /v1/gateways',
  ],
  rotation: [
    'POST /v1/campaigns', 'GET /v1/campaigns/{id}', 'POST /v1/campaigns/{id}/stop', 'GET /v1/forecast', 'GET /v1/rotations/{id}', 'GET /v1/tokens/{id}/rotations',
    'POST /v1/tokens/{id}/rotate', 'POST /v1/rotations/{id}/stop', 'POST /v1/rotations/{id}/force',
  ],
  audit: ['GET /v1/entries', 'GET /v1/entries/{index}/proof', 'GET /v1/tokens/{id}/proof-bundle', 'POST /v1/subjects/{id}/erase'],
  monitor: [
    'GET /v1/alerts', 'GET /v1/alerts/{id}', 'POST /v1/alerts/{id}/dismiss', 'GET /v1/usage', 'GET /v1/usage/{tokenId}', 'GET /v1/detectors', 'POST /v1/detectors/{detector}',
    'POST /v1/honeytokens', 'GET /v1/watch',
  ],
};

/** `/v1/tokens/{tokenId}` as the router writes it. */
export const routeOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/**
 * The path to ask the service for. Parts are encoded anew, so that none of them leads to another operation; `.` and
 * `..`, which addresses cannot hold however they are encoded, give nothing.
 */
export function pathTo(template: string, parts: Record<string, string>): string | undefined {
  if (Object.values(parts).some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''));
}
