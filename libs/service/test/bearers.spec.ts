import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { Bearers, Clock, type ServiceConfig } from '@writ/service';
import { TestIdentity } from '@writ/testing';

const hourMs = 3_600_000;
const config = (oidcIssuer: string) => ({
  oidcIssuer, oidcAudience: 'urn:writ:api', oidcGroupsClaim: 'groups', oidcTeamClaim: 'team', oidcClientClaim: 'client_id', roleGroups: {},
}) as ServiceConfig;

let identity: TestIdentity;
let bearers: Bearers;
beforeEach(async () => {
  identity = await TestIdentity.start();
  bearers = new Bearers(config(identity.issuer), new Clock());
});
afterEach(async () => {
  jest.restoreAllMocks();
  await identity.stop();
});

const outcome = (token: string) => bearers.authenticate(token).then(({ sub }) => sub, ({ facts }: { facts: { status: number } }) => facts.status);
const { now } = Date;
const inMs = (ms: number) => jest.spyOn(Date, 'now').mockImplementation(() => now() + ms);

/** A token as the provider would sign it, by another key, algorithm or header. */
const made = (header: { alg: string; [member: string]: unknown }) => new SignJWT({ client_id: 'test' })
  .setProtectedHeader({ kid: 'test', typ: 'at+jwt', ...header }).setIssuer(identity.issuer).setSubject('mallory').setAudience('urn:writ:api').setIssuedAt().setExpirationTime('1h');
const published = async () => ((await (await fetch(`${identity.issuer}/jwks`)).json()) as { keys: [JsonWebKey] }).keys[0];

describe('a bearer token', () => {
  it('is none that is signed by what the provider published, by nothing, or by a key of its own (G10)', async () => {
    const jwk = await published();
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    const shared = [publicKey.export({ format: 'pem', type: 'spki' }), publicKey.export({ format: 'der', type: 'spki' }), JSON.stringify(jwk)].map((text) => new Uint8Array(Buffer.from(text)));
    const { privateKey, publicKey: own } = await generateKeyPair('ES256');
    const forged = [
      ...await Promise.all(shared.map((secret) => made({ alg: 'HS256' }).sign(secret))),
      new UnsecuredJWT({ client_id: 'test' }).setIssuer(identity.issuer).setSubject('mallory').setAudience('urn:writ:api').setExpirationTime('1h').encode(),
      await made({ alg: 'ES256' }).sign(privateKey), await made({ alg: 'ES256', jwk: await exportJWK(own) }).sign(privateKey), await made({ alg: 'ES256', jku: 'https://mallory.example/jwks' }).sign(privateKey),
    ];
    expect(await Promise.all(forged.map(outcome))).toEqual(forged.map(() => 401));
    expect(await outcome(await identity.token({ sub: 'alice' }))).toBe('alice');
  });

  it('is checked by the keys that the provider has now: a new one counts, a withdrawn one no more', async () => {
    const old = await identity.token({ sub: 'alice' });
    expect(await outcome(old)).toBe('alice');
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const next = { ...await exportJWK(publicKey), kid: 'next', alg: 'ES256' };
    identity.answer = (path) => (path === '/jwks' ? { status: 200, body: { keys: [next] } } : undefined);
    inMs(60_000);
    expect(await outcome(await made({ alg: 'ES256', kid: 'next' }).sign(privateKey))).toBe('mallory');
    expect(await outcome(old)).toBe(401);
  });

  it('costs the provider one question at a time, however many come before its keys are known (G11)', async () => {
    let questions = 0;
    identity.answer = () => { questions += 1; return { status: 502, body: {} }; };
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => outcome('a.b.c'))))).toEqual(new Set([503]));
    expect(questions).toBe(1);
    identity.answer = undefined;
    expect(await outcome(await identity.token({ sub: 'alice' }))).toBe('alice');
  });
});

describe('a bearer token while the identity provider is away', () => {
  it('is never called invalid: without keys the caller hears "later"', async () => {
    const token = await identity.token({ sub: 'alice' });
    identity.answer = () => ({ status: 502, body: {} });
    expect(await outcome(token)).toBe(503);
    identity.answer = (path) => (path === '/jwks' ? { status: 502, body: { error: 'bad gateway' } } : undefined);
    expect(await outcome(token)).toBe(503);
    identity.answer = undefined;
    bearers = new Bearers(config(identity.issuer), new Clock());
    expect(await outcome(token)).toBe('alice');
  });

  it('is checked by the last keys for an hour, a false one as ever', async () => {
    const token = await identity.token({ sub: 'alice', expiresIn: '1d' });
    const foreign = await TestIdentity.start();
    const other = await foreign.token({ sub: 'mallory' });
    await foreign.stop();
    expect(await outcome(token)).toBe('alice');
    await identity.stop();
    inMs(hourMs / 2);
    expect(await outcome(token)).toBe('alice');
    expect(await outcome(other)).toBe(401);
    expect(await outcome('a.b.c')).toBe(401);
    inMs(1.5 * hourMs);
    expect(await outcome(token)).toBe(503);
  });
});
