import { generateKeyPairSync } from 'node:crypto';
import { compactDecrypt } from 'jose';
import { mint } from '@writ/token';
import { seal } from './sealing.store.js';

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
