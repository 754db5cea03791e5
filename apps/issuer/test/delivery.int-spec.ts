import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { compactDecrypt, exportJWK, generateKeyPair, calculateJwkThumbprint, type CryptoKey } from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { makeId, type Grant } from '@writ/contracts';
import type { Service } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { mint } from '@writ/token';
import { Limits } from '../src/verification/limits.store.js';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let tap: Tap;
let privateKey: CryptoKey;
let key: { jwk: Record<string, unknown>; thumbprint: string };

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start();
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  tap = await issuing.bench.bus.tap();
  const pair = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true });
  privateKey = pair.privateKey;
  const jwk = await exportJWK(pair.publicKey);
  key = { jwk: jwk as Record<string, unknown>, thumbprint: await calculateJwkThumbprint(jwk) };
});
afterAll(async () => {
  await issuing?.drop();
});

const verify = (token: string, more: object = {}) => issuing.post(issuer, '/v1/tokens/verify', { token, ...more }, gateway);
const sealedAsk = { requester: 'svc:sealed', delivery: { mode: 'sealed', keyId: 'k1' } } as const;
const opened = async (sealed: unknown) => {
  const { plaintext, protectedHeader } = await compactDecrypt(String(sealed), privateKey);
  return { header: protectedHeader, ...(JSON.parse(new TextDecoder().decode(plaintext)) as { secret: string; tokenId: string; requestId: string }) };
};

describe('a sealed delivery', () => {
  it('can be opened by the registered key alone, and nothing is left to claim (G3)', async () => {
    const { tokenId, request } = await issuing.issued({ ...sealedAsk, key });
    const { envelope } = await tap.next('token.issued', (data) => data.tokenId === tokenId);
    const { secret, header, requestId } = await opened(envelope.data.sealed);
    expect(header).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'k1', request: request.requestId });
    expect(requestId).toBe(request.requestId);
    expect((await verify(secret)).body).toMatchObject({ code: 'VALID', tokenId, owner: 'svc:sealed' });
    expect((await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, {}, await issuing.bearer('svc:sealed'))).body.code).toBe('delivered-sealed');
    const other = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
    await expect(compactDecrypt(String(envelope.data.sealed), other.privateKey)).rejects.toThrow();
  });

  it('seals a rotation’s successor too (G7)', async () => {
    const { tokenId } = await issuing.issued({ ...sealedAsk, key });
    const rotationId = makeId('rot', Date.now(), randomBytes(10));
    const at = new Date(Date.now() + 60_000).toISOString();
    await issuing.due({ tokenId, rotationId, cause: 'scheduled', deadlineAt: at, claimBefore: at });
    const { envelope } = await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'delivered');
    const { secret } = await opened(envelope.data.sealed);
    expect((await verify(secret)).body.code).toBe('VALID');
    // Nobody is told that it can be claimed: nobody can.
    expect(tap.ofType('token.rotated').filter(({ envelope: { data } }) => data.rotationId === rotationId).map(({ envelope: { data } }) => data.stage)).toEqual(['delivered']);
  });

  it('seals no successor whose order comes after its last date: the old secret would end at once (G7)', async () => {
    const { tokenId } = await issuing.issued({ ...sealedAsk, key });
    const rotationId = makeId('rot', Date.now(), randomBytes(10));
    const at = new Date(Date.now() - 1_000).toISOString();
    await issuing.due({ tokenId, rotationId, cause: 'scheduled', deadlineAt: at, claimBefore: at });
    expect((await tap.next('token.retired', (data) => data.tokenId === tokenId)).envelope.data).toMatchObject({ generation: 2, code: 'unclaimed' });
  });

  it('goes to no key but the one that the request is bound to (G10)', async () => {
    const thief = (await exportJWK((await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true })).publicKey)) as Record<string, unknown>;
    for (const other of [{ ...key, jwk: thief }, { ...key, thumbprint: 'x'.repeat(43) }, { ...key, jwk: { ...key.jwk, d: 'AA' } }]) {
      const request = issuing.submission({ ...sealedAsk, key: other });
      await issuing.bench.bus.say('request', 'request.submitted', request);
      await issuing.bench.bus.say('policy', 'request.approved', issuing.approval(request));
      expect((await tap.next('issue.refused', (data) => data.requestId === request.requestId)).envelope.data.code).toBe('sealing-key-unknown');
    }
  });

  it('of a successor goes to no other key, though somebody put one into the database (G3, G10)', async () => {
    const { tokenId, request } = await issuing.issued({ ...sealedAsk, key });
    const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true });
    const thief = await exportJWK(publicKey);
    await issuing.bench.database('issuer').query(
      `UPDATE request SET facts = facts || jsonb_build_object('deliveryKey', $2::jsonb, 'deliveryKeyThumbprint', $3::text) WHERE request_id = $1`, [request.requestId, JSON.stringify(thief), await calculateJwkThumbprint(thief)],
    );
    const rotationId = makeId('rot', Date.now(), randomBytes(10));
    const at = new Date(Date.now() + 60_000).toISOString();
    await issuing.due({ tokenId, rotationId, cause: 'scheduled', deadlineAt: at, claimBefore: at });
    await tap.next('token.rotated', (data) => data.rotationId === rotationId && data.stage === 'claimable');
    await issuing.issued({ ...sealedAsk, key });
    expect(tap.ofType('token.rotated').filter(({ envelope: { data } }) => data.rotationId === rotationId && data.sealed !== undefined)).toEqual([]);
  });
});

describe('a limited token', () => {
  const limited = async (grant: Partial<Grant>) => (await issuing.claimed(issuer, {}, grant)).secret;

  it('is of use only from its networks', async () => {
    const secret = await limited({ networks: ['192.0.2.0/24', '2001:db8::/32'] });
    const codeFrom = async (address?: string) => (await verify(secret, address === undefined ? {} : { address })).body.code;
    for (let round = 0; round < 2; round++) {
      expect(await codeFrom('192.0.2.77')).toBe('VALID');
      expect(await codeFrom('2001:db8::1')).toBe('VALID');
      expect(await codeFrom('198.51.100.1')).toBe('WRONG_NETWORK');
      expect(await codeFrom()).toBe('WRONG_NETWORK');
    }
  });

  it('is told "later" above its rate, never "no" (G11)', async () => {
    const secret = await limited({ ratePerMinute: 20 });
    const codes = [];
    for (let i = 0; i < 4; i++) codes.push((await verify(secret)).body);
    expect(codes.map(({ code }) => code)).toEqual(['VALID', 'VALID', 'RATE_LIMITED', 'RATE_LIMITED']);
    expect(codes[2]).toMatchObject({ valid: false, retryAfterMs: expect.any(Number) });
    const introspected = await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway);
    expect([introspected.status, introspected.headers.get('retry-after')]).toEqual([429, expect.any(String)]);
    for (const [door, status] of [['/v1/forward-auth', 403], ['/v1/forward-auth?limited=429', 429], ['/v1/ext-authz/x', 429]] as const) {
      const forward = await issuing.get(issuer, door, { 'x-writ-gateway-authorization': gateway.authorization as string, authorization: `Bearer ${secret}` });
      expect([forward.status, forward.headers.get('x-writ-code'), forward.headers.get('retry-after')]).toEqual([status, 'RATE_LIMITED', expect.any(String)]);
    }
    expect((await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens: [{ token: secret }] }, gateway)).body.results).toMatchObject([{ valid: false, code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) }]);
  });
});

describe('a limit', () => {
  it('of a token is one for all replicas (G11)', async () => {
    const second = await issuing.start();
    const { secret } = await issuing.claimed(issuer, {}, { ratePerMinute: 20 });
    const codeAt = async (replica: Service) => (await issuing.post(replica, '/v1/tokens/verify', { token: secret }, gateway)).body.code;
    expect([await codeAt(issuer), await codeAt(issuer)]).toEqual(['VALID', 'VALID']);
    await until(async () => (await codeAt(second)) === 'RATE_LIMITED', 'the second replica to hear of it', 2_000);
    await issuing.stop(second);
  });

  it('of unknown tokens says "later" to the gateway that asks about them, and to no other; what is known goes on (G10, G11)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const guesser = await issuing.registerGateway(issuer, 'guesser', ['orders']);
    const codeFor = async (as: Record<string, string>, token: string) => (await issuing.post(issuer, '/v1/tokens/verify', { token }, as)).body.code;
    expect(await codeFor(guesser, secret)).toBe('VALID');
    const guess = () => mint('dev', randomBytes(32)).reveal();
    const guesses = () => issuing.post(issuer, '/v1/tokens/verify-batch', { tokens: Array.from({ length: 800 }, () => ({ token: guess() })) }, guesser);
    let codes: string[] = [];
    for (let i = 0; i < 20 && !codes.includes('RATE_LIMITED'); i++) codes = (await guesses()).body.results.map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['RATE_LIMITED']));
    const introspected = await issuing.post(issuer, '/oauth2/introspect', `token=${guess()}`, guesser);
    expect([introspected.status, introspected.headers.get('retry-after')]).toEqual([429, expect.any(String)]);
    expect([await codeFor(guesser, secret), await codeFor(gateway, secret), await codeFor(gateway, guess())]).toEqual(['VALID', 'VALID', 'NOT_FOUND']);
  });

  it('of unknown tokens counts those that are to be revoked, and refuses no revocation of a known one (RFC 7009; G4, G10)', async () => {
    const [known, foreign] = [await issuing.claimed(issuer), await issuing.claimed(issuer)];
    const guesser = await issuing.registerGateway(issuer, 'revoker', ['orders']);
    const billing = await issuing.registerGateway(issuer, 'billing-revoker', ['billing']);
    const guess = () => mint('dev', randomBytes(32)).reveal();
    const revoke = (token: string, as = guesser) => issuing.post(issuer, '/oauth2/revoke', `token=${token}`, as);
    const limits = issuer.app.get(Limits);
    const counted = jest.spyOn(limits, 'unknownToken');
    for (const token of ['junk', guess(), foreign.secret]) expect((await revoke(token, billing)).status).toBe(200);
    expect(counted).toHaveBeenCalledTimes(2);
    counted.mockRestore();
    for (const name of ['revoker', 'billing-revoker']) for (let i = 0; i < 10_000; i++) limits.unknownToken(name, performance.now());
    for (const later of [await revoke(guess()), await revoke(foreign.secret, billing)]) expect([later.status, later.body.code, later.headers.get('retry-after')]).toEqual([429, 'rate-limited', expect.stringMatching(/^[1-9]\d*$/)]);
    for (const round of ['first', 'repeated']) expect([round, (await revoke(known.secret)).status]).toEqual([round, 200]);
    expect((await revoke(guess(), gateway)).status).toBe(200);
    expect([(await verify(known.secret)).body.code, (await verify(foreign.secret)).body.code]).toEqual(['REVOKED', 'VALID']);
  });
});

describe('stock clients', () => {
  const credentials = () => Buffer.from((gateway.authorization as string).slice(6), 'base64').toString().split(':') as [string, string];

  it('introspect and revoke: oauth4webapi', async () => {
    const { secret, tokenId } = await issuing.claimed(issuer);
    const insecure = { [oauth.allowInsecureRequests]: true };
    const url = new URL(issuer.url);
    const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...insecure, algorithm: 'oauth2' }));
    const [clientId, clientSecret] = credentials();
    const auth = oauth.ClientSecretBasic(clientSecret);
    const me = { client_id: clientId };
    const answer = await oauth.processIntrospectionResponse(server, me, await oauth.introspectionRequest(server, me, auth, secret, insecure));
    expect(answer).toMatchObject({ active: true, sub: 'alice', aud: 'orders', jti: tokenId });
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, me, auth, secret, insecure));
    const after = await oauth.processIntrospectionResponse(server, me, await oauth.introspectionRequest(server, me, auth, secret, insecure));
    expect(after).toEqual({ active: false });
  });

  it('find the issuer at a path of the world’s, whether the proxy in front of it strips that or not (RFC 8414, section 3.1)', async () => {
    const away = new URL('https://example.com/writ');
    const behind = await issuing.start({ WRIT_PUBLIC_URL: `${away.href}/` });
    const proxy = (rewrite: (path: string) => string) => ({ [oauth.customFetch]: (url: string) => fetch(behind.url + rewrite(new URL(url).pathname)) });
    for (const rewrite of [(path: string) => path, (path: string) => path.replace(/\/writ$/, '')]) {
      const server = await oauth.processDiscoveryResponse(away, await oauth.discoveryRequest(away, { ...proxy(rewrite), algorithm: 'oauth2' }));
      expect([server.issuer, server.revocation_endpoint]).toEqual(['https://example.com/writ', 'https://example.com/writ/oauth2/revoke']);
    }
    expect((await fetch(`${behind.url}/.well-known/oauth-authorization-server/other`)).status).toBe(404);
    await issuing.stop(behind);
  });

  it('introspect and revoke: openid-client', async () => {
    const { secret } = await issuing.claimed(issuer);
    const [clientId, clientSecret] = credentials();
    const config = await client.discovery(new URL(issuer.url), clientId, undefined, client.ClientSecretBasic(clientSecret), { algorithm: 'oauth2', execute: [client.allowInsecureRequests] });
    expect(await client.tokenIntrospection(config, secret)).toMatchObject({ active: true, scope: 'orders:read' });
    await client.tokenRevocation(config, secret);
    expect(await client.tokenIntrospection(config, secret)).toEqual({ active: false });
  });
});

describe('a secret', () => {
  it('lies in no row, event or queue of the issuer (G3)', async () => {
    const secrets: string[] = [];
    for (let i = 0; i < 3; i++) secrets.push((await issuing.claimed(issuer)).secret);
    const { tokenId } = await issuing.issued();
    const alice = await issuing.bearer('alice');
    for (let i = 0; i < 2; i++) secrets.push(String((await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, {}, { ...alice, 'idempotency-key': 'same' })).body.secret));
    for (const secret of secrets) {
      await verify(secret, { address: '192.0.2.1' });
      await issuing.post(issuer, '/v1/tokens/verify-batch', { tokens: [{ token: secret }] }, { ...gateway, 'idempotency-key': `key-${secret.slice(-4)}` });
      await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway);
    }
    await issuing.post(issuer, '/v1/burn', { token: secrets[0] }, { 'idempotency-key': 'burn' });
    await issuing.post(issuer, '/v1/burn', { token: `${secrets[1]}x` });
    await tap.next('usage.recorded', ({ records }) => (records as unknown[]).length > 0);
    await until(async () => (await issuing.bench.database('issuer').query('SELECT 1 FROM burn')).length === 0, 'the burn');
    const tables = await issuing.bench.database('issuer').query<{ name: string }>(`SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`);
    const dump: string[] = [];
    for (const { name } of tables) dump.push(JSON.stringify(await issuing.bench.database('issuer').query(`SELECT to_jsonb(t) AS row FROM ${name} t`)));
    dump.push(JSON.stringify(tap.heard));
    const text = dump.join('\n');
    for (const secret of secrets) {
      expect(text).not.toContain(secret.slice('writ_dev_'.length, -6));
      expect(text).not.toContain(Buffer.from(secret).toString('hex'));
      expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 40));
    }
  });
});

describe('a pepper', () => {
  it('is replaced while tokens made with the old one live on', async () => {
    const before = await issuing.claimed(issuer);
    writeFileSync(join(issuing.bench.dir, 'issuer', 'pepper.2.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
    const renewed = await issuing.start();
    const codeOf = async (token: string) => (await issuing.post(renewed, '/v1/tokens/verify', { token }, gateway)).body.code;
    expect(await codeOf(before.secret)).toBe('VALID');
    const after = await issuing.claimed(renewed);
    expect(await codeOf(after.secret)).toBe('VALID');
    const kids = await issuing.bench.database('issuer').query('SELECT DISTINCT pepper_kid FROM secret WHERE token_id = ANY($1) ORDER BY 1', [[before.tokenId, after.tokenId]]);
    expect(kids).toEqual([{ pepper_kid: '1' }, { pepper_kid: '2' }]);
  });
});
