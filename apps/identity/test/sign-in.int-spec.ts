import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, importJWK, jwtVerify, type CryptoKey, type JWTPayload } from 'jose';
import { pino } from 'pino';
import { Browser } from '@writ/testing';
import { bearerTokens } from '../src/bearer-tokens.js';
import { createIdentityServer } from '../src/identity.controller.js';
import { loadKeys, type Keys } from '../src/keys.store.js';
import { strongSignIn } from '../src/people.js';

const audience = 'urn:writ:api';
const machine = { clientId: 'dev-machine', clientSecret: 'a-secret-of-a-machine' };

let dir: string;
let keys: Keys;
let server: Server;
let issuer: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'writ-identity-'));
  keys = await loadKeys(join(dir, 'keys'));
  const port = await unusedPort();
  issuer = `http://127.0.0.1:${port}`;
  server = createIdentityServer({ issuer, audience, clients: [machine] }, keys, pino({ level: 'silent' }));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

describe('the development identity provider', () => {
  it('gives a person who signs in a token that says who, which team, which groups, how and when', async () => {
    const browser = new Browser(issuer);
    const verifier = randomBytes(32).toString('base64url');
    const start = new URL('/auth', issuer);
    start.search = new URLSearchParams({
      client_id: 'writ-cli', response_type: 'code', redirect_uri: 'http://127.0.0.1:9/callback', scope: 'openid profile', state: 's',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
    }).toString();
    const signIn = await browser.get(start.href);
    expect(signIn.html).toContain('Rita Reviewer');
    const consent = await browser.post(`${signIn.url}/login`, { person: 'reviewer' });
    const back = await browser.post(`${consent.url}/confirm`, {});
    const code = new URL(back.url).searchParams.get('code')!;
    const claims = await accessClaims(await token({ grant_type: 'authorization_code', code, redirect_uri: 'http://127.0.0.1:9/callback', code_verifier: verifier, client_id: 'writ-cli' }));
    expect(claims).toMatchObject({ sub: 'dev-reviewer', team: 'security', groups: ['orders', 'security', 'writ-reviewers'], acr: strongSignIn, client_id: 'writ-cli' });
    expect(claims.auth_time).toBeGreaterThan(Date.now() / 1000 - 60);
  });

  it('lets a terminal without a browser sign in by a code typed elsewhere', async () => {
    const asked = await (await fetch(`${issuer}/device/auth`, { method: 'POST', body: new URLSearchParams({ client_id: 'writ-cli', scope: 'openid profile' }) })).json() as Record<string, string>;
    const browser = new Browser(issuer);
    const confirm = await browser.submit(await browser.get(asked.verification_uri_complete!));
    expect(confirm.html).toContain(asked.user_code);
    const signIn = await browser.submit(confirm);
    const consent = await browser.post(`${signIn.url}/login`, { person: 'requester' });
    const done = await browser.post(`${consent.url}/confirm`, {});
    expect(done.html).toContain('Connected');
    const claims = await accessClaims(await token({ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: asked.device_code!, client_id: 'writ-cli' }));
    expect(claims).toMatchObject({ sub: 'dev-requester', team: 'orders', acr: strongSignIn });
  });

  it('asks who is there again when told to, though the browser is signed in', async () => {
    const browser = new Browser(issuer);
    const steps = async (more: Record<string, string>) => {
      const asked = await (await fetch(`${issuer}/device/auth`, { method: 'POST', body: new URLSearchParams({ client_id: 'writ-cli', scope: 'openid profile', ...more }) })).json() as Record<string, string>;
      let page = await browser.submit(await browser.submit(await browser.get(asked.verification_uri_complete!)));
      const shown = [page.html.match(/<h1>(.*?)<.h1>/)?.[1]];
      if (shown[0] === 'Sign in') page = await browser.post(`${page.url}/login`, { person: 'reviewer' });
      shown.push(page.html.match(/<h1>(.*?)<.h1>/)?.[1]);
      if (page.html.includes('Allow access')) await browser.post(`${page.url}/confirm`, {});
      return shown;
    };
    expect(await steps({})).toEqual(['Sign in', 'Allow access?']);
    expect(await steps({})).toEqual(['Allow access?', 'Allow access?']);
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(await steps({ max_age: '1' })).toEqual(['Sign in', 'Allow access?']);
  });

  it('gives a machine a token in its own name and nobody else\'s', async () => {
    const authorization = `Basic ${Buffer.from(`${machine.clientId}:${machine.clientSecret}`).toString('base64')}`;
    const claims = await accessClaims(await token({ grant_type: 'client_credentials', resource: audience }, { authorization }));
    expect(claims).toMatchObject({ sub: 'dev-machine', client_id: 'dev-machine' });
    expect(claims).not.toHaveProperty('groups');
    await expect(token({ grant_type: 'client_credentials', resource: audience }, { authorization: `Basic ${Buffer.from('dev-machine:wrong').toString('base64')}` })).rejects.toThrow('invalid_client');
  });

  it('refuses a code without its PKCE proof and an audience that is not ours', async () => {
    const start = new URL('/auth', issuer);
    start.search = new URLSearchParams({ client_id: 'writ-cli', response_type: 'code', redirect_uri: 'http://127.0.0.1:9/callback', scope: 'openid' }).toString();
    const refused = await fetch(start, { redirect: 'manual' });
    expect(refused.headers.get('location')).toContain('error=invalid_request');
    const authorization = `Basic ${Buffer.from(`${machine.clientId}:${machine.clientSecret}`).toString('base64')}`;
    await expect(token({ grant_type: 'client_credentials', resource: 'urn:other:api' }, { authorization })).rejects.toThrow('invalid_target');
  });

  it('writes bearer tokens that the published keys verify, and keeps its keys through a restart', async () => {
    const key = await importJWK(keys.signing, 'ES256') as CryptoKey;
    const tokens = await bearerTokens({ key, kid: keys.signing.kid, issuer, audience, now: new Date(), newId: randomUUID });
    const claims = await accessClaims(tokens.admin2);
    expect(claims).toMatchObject({ sub: 'dev-admin2', groups: ['writ-admins'] });
    expect(claims.exp! - claims.iat!).toBe(8 * 3600);
    expect(await loadKeys(join(dir, 'keys'))).toEqual(keys);
    expect(statSync(join(dir, 'keys/identity.keys.json')).mode & 0o777).toBe(0o600);
  });
});

async function token(form: Record<string, string>, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(`${issuer}/token`, { method: 'POST', headers, body: new URLSearchParams(form) });
  const body = await answer.json() as { access_token?: string; error?: string };
  if (body.access_token === undefined) throw new Error(body.error);
  return body.access_token;
}

async function accessClaims(jwt: string): Promise<JWTPayload & Record<string, unknown>> {
  const { payload } = await jwtVerify(jwt, createRemoteJWKSet(new URL(`${issuer}/jwks`)), { issuer, audience, typ: 'at+jwt' });
  return payload;
}

function unusedPort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
