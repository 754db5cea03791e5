import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SignJWT } from 'jose';
import { basic, type ServiceUrls } from '@writ/client';
import { need, urls } from '../platform.js';

/** The folder of the installation under test: its keys and passwords are what an intruder would steal. */
export const installation = dirname(need('WRIT_PLATFORM_STATE'));
export const stolen = <T>(...path: string[]): T => JSON.parse(readFileSync(join(installation, ...path), 'utf8')) as T;

export interface Person {
  sub: string;
  team?: string;
  groups?: string[];
}

interface Signing { kid: string; [member: string]: unknown }

/** A bearer token that the identity provider could have signed; `more` overrides any claim. */
export function bearerOf({ sub, team, groups = [] }: Person, more: Record<string, unknown> = {}): Promise<string> {
  const { signing } = stolen<{ signing: Signing }>('keys', 'identity', 'identity.keys.json');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: need('WRIT_OIDC_ISSUER'), aud: 'urn:writ:api', sub, client_id: 'writ-cli', team, groups, acr: 'urn:writ:acr:strong', auth_time: now, iat: now, exp: now + 600, ...more,
  };
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: signing.kid }).sign(createPrivateKey({ key: signing, format: 'jwk' }));
}

export const stranger: Person = { sub: 'dev-mallory', team: 'billing', groups: ['writ-requesters'] };

export interface Ask {
  method?: string;
  authorization?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** One call, with whatever it answers. */
export async function ask(url: string, { method = 'GET', authorization, headers = {}, body }: Ask = {}): Promise<{ status: number; headers: Headers; text: string }> {
  const answer = await fetch(url, {
    method,
    headers: { ...(authorization === undefined ? {} : { authorization }), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    redirect: 'error', signal: AbortSignal.timeout(30_000),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Everybody who may knock at a door, by the Authorization header that they bring. */
export async function callers() {
  const robin = { sub: 'dev-requester', team: 'orders', groups: ['writ-requesters', 'writ-admins'] };
  const bearer = async (token: Promise<string> | string) => `Bearer ${await token}`;
  const token = (part: string) => bearer(need(`WRIT_${part}_TOKEN`));
  const gatewayId = need('WRIT_GATEWAY_CLIENT_ID');
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await bearerOf(robin)).split('.')[1]}.`;
  return {
    nobody: undefined,
    garbage: 'Bearer nothing.like.atoken',
    unsigned: `Bearer ${unsigned}`,
    expired: await bearer(bearerOf(robin, { exp: Math.floor(Date.now() / 1000) - 3600 })),
    'of a foreign audience': await bearer(bearerOf(robin, { aud: 'urn:other:api' })),
    'of a foreign provider': await bearer(bearerOf(robin, { iss: 'https://provider.example' })),
    owner: await token('REQUESTER'),
    stranger: await bearer(bearerOf(stranger)),
    reviewer: await token('REVIEWER'),
    admin: await token('ADMIN'),
    auditor: await token('AUDITOR'),
    colleague: await bearer(bearerOf({ sub: 'dev-colleague', team: 'orders', groups: ['writ-requesters'] })),
    'policy admin': await bearer(bearerOf({ sub: 'dev-policy-admin', team: 'platform', groups: ['writ-policymakers'] })),
    machine: await bearer(bearerOf({ sub: 'robot' }, { client_id: 'robot', auth_time: undefined, acr: undefined })),
    'who signed in long ago': await bearer(bearerOf({ sub: 'dev-admin', team: 'platform', groups: ['writ-admins', 'writ-reviewers', 'writ-auditors'] }, { auth_time: 1_000_000_000 })),
    gateway: basic(gatewayId, need('WRIT_GATEWAY_CLIENT_SECRET')),
    'gateway with a wrong secret': basic(gatewayId, 'x'.repeat(43)),
  };
}

export type CallerName = keyof Awaited<ReturnType<typeof callers>>;
export const people = ['owner', 'stranger', 'reviewer', 'admin', 'auditor', 'colleague', 'policy admin', 'machine'] as const satisfies CallerName[];
export type PersonName = (typeof people)[number];

/** `METHOD /path` of every route that a service says it has. */
export async function documentedRoutes(service: keyof ServiceUrls): Promise<string[]> {
  const { paths } = JSON.parse((await ask(`${urls[service]}/openapi.json`)).text) as { paths: Record<string, Record<string, unknown>> };
  return Object.entries(paths).flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)).sort();
}

/** The routes whose successful answers name their entries in the audit log, by the service's own document. */
export async function promisingReceipts(service: keyof ServiceUrls): Promise<Set<string>> {
  const { paths } = JSON.parse((await ask(`${urls[service]}/openapi.json`)).text) as { paths: Record<string, Record<string, { responses?: Record<string, { headers?: object }> }>> };
  return new Set(Object.entries(paths).flatMap(([path, operations]) => Object.entries(operations)
    .filter(([, { responses }]) => Object.values(responses ?? {}).some(({ headers }) => headers && 'X-Audit-Receipt' in headers))
    .map(([method]) => `${method.toUpperCase()} ${path}`)));
}
