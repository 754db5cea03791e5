import { generateKeyPairSync } from 'node:crypto';
import type { ServiceUrls } from '@writ/client';
import type { RequestAnswer } from '@writ/contracts';
import { as, freshToken, until, untilStatus, wish } from '../platform.js';
import type { CallerName } from './callers.js';

/** A call that changes something. */
export interface Change {
  path?: string;
  body?: object;
  /** Who makes it; an administrator where nobody is named. */
  who?: CallerName;
}

const fresh = () => Math.random().toString(36).slice(2, 10);
const reason = { reason: 'receipts' };
const gatewayOf = () => as('admin').issuer.post<{ clientId: string }>('/v1/gateways', { body: { name: `gw-${fresh()}`, audiences: ['orders'] } });

async function heldRequest(): Promise<string> {
  const { requestId } = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'P1D' }) });
  await untilStatus(requestId, 'held');
  await until('its review', () => as('reviewer').policy.get(`/v1/reviews/${requestId}`).catch(() => undefined));
  return requestId;
}

/** A rotation whose successor was claimed. */
async function deliveredRotation(): Promise<string> {
  const { tokenId } = await freshToken();
  const { issuer, rotation } = as('requester');
  const { rotationId } = await until('rotation to know the token', () => rotation.post<{ rotationId: string }>(`/v1/tokens/${tokenId}/rotate`).catch(() => undefined));
  await until('the successor', () => issuer.post(`/v1/tokens/${tokenId}/claim`, { body: { rotationId } }).catch(() => undefined));
  await until('rotation to hear of it', async () => (await rotation.get<{ state: string }>(`/v1/rotations/${rotationId}`)).state === 'delivered');
  return rotationId;
}

async function anotherPolicySet(): Promise<object> {
  const { digest } = await as('admin').policy.get<{ digest: string }>('/v1/policy-sets/active');
  const { files } = await as('admin').policy.get<{ files: Record<string, string> }>(`/v1/policy-sets/${digest}`);
  const name = Object.keys(files).find((path) => path.endsWith('.cedar')) as string;
  return { files: { ...files, [name]: `${files[name]}\n// ${fresh()}\n` } };
}

/** One that does change something, for every route whose call in the matrix changes nothing. */
export const changes: [keyof ServiceUrls, string, () => Promise<Change> | Change][] = [
  ['request', 'POST /v1/requests', () => ({ who: 'owner', body: wish() })],
  ['request', 'DELETE /v1/requests/{id}', async () => ({ who: 'owner', path: `/v1/requests/${await heldRequest()}` })],
  ['request', 'POST /v1/upstreams', () => ({ body: { name: `up-${fresh()}`, requesters: ['svc:receipt'], teams: [{ team: 'orders', environments: ['dev'] }] } })],
  ['request', 'POST /v1/sealing-keys', () => ({
    body: { owner: 'svc:receipt', keyId: fresh(), jwk: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }) },
  })],
  ['policy', 'POST /v1/policy-sets', async () => ({ body: await anotherPolicySet() })],
  ['policy', 'POST /v1/policy-sets/{digest}/simulate', async () => ({
    path: `/v1/policy-sets/${(await as('admin').policy.get<{ digest: string }>('/v1/policy-sets/active')).digest}/simulate`, body: { days: 1 },
  })],
  ['policy', 'POST /v1/reviews/{requestId}/refusals', async () => ({ who: 'reviewer', path: `/v1/reviews/${await heldRequest()}/refusals`, body: reason })],
  ['issuer', 'POST /v1/gateways', () => ({ body: { name: `gw-${fresh()}`, audiences: ['orders'] } })],
  ['issuer', 'POST /v1/gateways/{clientId}/secret', async () => ({ path: `/v1/gateways/${(await gatewayOf()).clientId}/secret`, body: {} })],
  ['issuer', 'POST /v1/revocations', () => ({ body: { ownerId: `nobody-${fresh()}`, ...reason } })],
  ['rotation', 'POST /v1/campaigns', () => ({ body: { cause: 'requested', owner: `nobody-${fresh()}`, ...reason } })],
  ['rotation', 'POST /v1/campaigns/{id}/stop', async () => {
    const { campaignId } = await as('admin').rotation.post<{ campaignId: string }>('/v1/campaigns', { body: { cause: 'requested', owner: `nobody-${fresh()}`, ...reason } });
    return { path: `/v1/campaigns/${campaignId}/stop`, body: reason };
  }],
  ['rotation', 'POST /v1/rotations/{id}/force', async () => ({ who: 'owner', path: `/v1/rotations/${await deliveredRotation()}/force`, body: reason })],
  ['audit', 'POST /v1/subjects/{id}/erase', async () => {
    const { requestId } = await freshToken();
    await until('the log to hold the request', async () => (await as('auditor').audit.get<{ items: object[] }>('/v1/entries', { query: { request: requestId, type: 'request.submitted' } })).items.length > 0);
    return { path: `/v1/subjects/${requestId}/erase`, body: { basis: 'gdpr-art-17' } };
  }],
  ['monitor', 'POST /v1/detectors/{detector}', () => ({ path: '/v1/detectors/rate', body: { most: 'suspend', ...reason } })],
  ['monitor', 'POST /v1/honeytokens', async () => ({ body: { tokenId: (await freshToken()).tokenId } })],
];
