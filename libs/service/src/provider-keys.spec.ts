import fc from 'fast-check';
import { keysAddress } from './provider-keys.js';

describe('the keys of an identity provider (G10)', () => {
  const issuer = 'https://id.example';

  it.each([
    ['https://id.example', 'https://id.example/jwks'], ['https://id.example', 'https://keys.example/jwks'], ['http://127.0.0.1:4400', 'http://127.0.0.1:4400/jwks'], ['http://127.0.0.1:4400', 'https://id.example/jwks'],
  ])('of %s are at %s', (own, address) => {
    expect(keysAddress({ issuer: own, jwks_uri: address }, own)?.href).toBe(address);
  });

  it.each<[string, unknown]>([
    ['over a way that others can write to', { issuer, jwks_uri: 'http://id.example/jwks' }], ['in a file', { issuer, jwks_uri: 'file:///etc/keys' }], ['in the document', { issuer, jwks_uri: 'data:application/json,{}' }],
    ['of another provider', { issuer: 'https://evil.example', jwks_uri: 'https://id.example/jwks' }], ['of almost the same provider', { issuer: `${issuer}/`, jwks_uri: 'https://id.example/jwks' }], ['nowhere', { issuer }], ['in no document', null],
  ])('are not taken from %s', (_, document) => {
    expect(keysAddress(document, issuer)).toBeUndefined();
  });

  it('are read out of any document without an exception', () => {
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.string().map((text) => ({ issuer, jwks_uri: text }))), (document) => { keysAddress(document, issuer); }));
  });
});
