import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, compactDecrypt, type JWK } from 'jose';
import { mint } from '@writ/token';
import type { SignedRequest } from '../issuing/may-issue.js';
import { seal, Sealing } from './sealing.store.js';

const facts = { tokenId: 'tok_1', requestId: 'req_1', generation: 2, expiresAt: '2026-12-01T00:00:00.000Z' };
const pairs = { 'EC P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'OKP X25519': generateKeyPairSync('x25519') };

describe.each(Object.entries(pairs))('a secret sealed to a key of type %s', (_type, { publicKey, privateKey }) => {
  const secret = mint('dev', new Uint8Array(32).fill(7));
  const sealed = () => seal({ keyId: 'k1', publicKey }, secret, facts);

  it('is opened by an implementation of JWE that is not ours, with its key alone (G3)', async () => {
    const { plaintext, protectedHeader } = await compactDecrypt(sealed(), privateKey);
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({ ...facts, secret: secret.reveal() });
    expect(protectedHeader).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'k1', typ: 'writ-secret+jwe', request: 'req_1' });
    const other = publicKey.asymmetricKeyType === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519');
    await expect(compactDecrypt(sealed(), other.privateKey)).rejects.toThrow();
  });

  it('cannot be given another header, nor is a key or a nonce ever used twice (G3)', async () => {
    const [first, second] = [sealed(), sealed()];
    const [header = '', ...rest] = first.split('.');
    const forged = Buffer.from(Buffer.from(header, 'base64url').toString().replace('req_1', 'req_2')).toString('base64url');
    await expect(compactDecrypt([forged, ...rest].join('.'), privateKey)).rejects.toThrow();
    const parts = (text: string) => text.split('.').filter((part) => part !== '');
    expect(parts(first).filter((part) => parts(second).includes(part))).toEqual([]);
  });
});

const request = async (jwk: JWK, more: object = {}) =>
  ({ delivery: { mode: 'sealed', keyId: 'k1' }, deliveryKey: jwk, deliveryKeyThumbprint: await calculateJwkThumbprint(jwk), ...more }) as unknown as SignedRequest;

describe('a request’s key', () => {
  const sealing = new Sealing();

  it.each(Object.values(pairs))('is the one that it carries, where its digest is bound to it', async ({ publicKey }) => {
    const jwk = publicKey.export({ format: 'jwk' }) as JWK;
    for (let round = 0; round < 2; round++) expect(sealing.keyOf(await request(jwk))?.publicKey.equals(publicKey)).toBe(true);
    expect(sealing.keyOf(await request(jwk, { deliveryKeyThumbprint: 'x'.repeat(43) }))).toBeUndefined();
    expect(sealing.keyOf(await request(jwk, { delivery: { mode: 'claim' } }))).toBeUndefined();
  });

  it('is none that is no public key, or that everybody could agree with (G3, G9)', async () => {
    const { x = '', y = '' } = pairs['EC P-256'].publicKey.export({ format: 'jwk' });
    const wrong: JWK[] = [
      { kty: 'EC', crv: 'P-256', x: y, y: x }, { kty: 'EC', crv: 'P-256', x, y, d: x }, { kty: 'EC', crv: 'P-521', x, y }, { kty: 'OKP', crv: 'Ed25519', x },
      { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32).toString('base64url') }, { kty: 'oct', k: x },
    ];
    for (const jwk of wrong) expect(sealing.keyOf(await request(jwk))).toBeUndefined();
  });
});
