import { createSign, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { channelOf, findsOf, isSigned, leakKeysOf } from './leak-report.js';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = pair.publicKey.export({ type: 'spki', format: 'pem' });
const keys = leakKeysOf({ public_keys: [{ key_identifier: 'k1', key: pem, is_current: true }] });
const sign = (body: Buffer) => createSign('sha256').update(body).sign(pair.privateKey, 'base64');

describe('a leak report', () => {
  it('counts with a signature of its very bytes by a known key, and not otherwise (G10)', () => {
    const body = Buffer.from('[{"token":"x"}]');
    expect(isSigned(keys, 'k1', sign(body), body)).toBe(true);
    expect(isSigned(keys, 'k2', sign(body), body)).toBe(false);
    expect(isSigned(keys, 'k1', sign(body), Buffer.from('[{"token":"y"}]'))).toBe(false);
    expect(isSigned(keys, undefined, undefined, body)).toBe(false);
  });

  it('is verified as GitHub publishes it: the sample of its documentation, under the test key beside it', () => {
    // docs.github.com, "Secret scanning partner program", "Sample HTTP POST sent to verify endpoint".
    const keyId = 'f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d';
    const published = leakKeysOf({ public_keys: [{
      key_identifier: keyId, is_current: true,
      key: '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\nHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n-----END PUBLIC KEY-----',
    }] });
    const body = Buffer.from('[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]');
    const signature = 'MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=';
    expect(isSigned(published, keyId, signature, body)).toBe(true);
    expect(isSigned(published, keyId, signature, Buffer.from(`${body.toString()} `))).toBe(false);
    expect(findsOf(body)).toEqual([{ token: 'some_token', type: 'some_type', url: 'some_url', source: 'some_source' }]);
  });

  it('is refused, never thrown over, for every signature that is junk', () => {
    fc.assert(fc.property(fc.string(), fc.uint8Array(), (signature, body) => !isSigned(keys, 'k1', signature, body)));
  });

  it('is a list of finds or nothing, for every body', () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map((text) => Buffer.from(text))), (body) => {
      const finds = findsOf(body);
      return finds === undefined || finds.every(({ token }) => typeof token === 'string');
    }));
    expect(findsOf(Buffer.from('[{"token":"a","type":"t","url":"u","source":"content","more":1}]'))).toEqual([{ token: 'a', type: 't', url: 'u', source: 'content' }]);
    expect(findsOf(Buffer.from('[{"type":"t"}]'))).toBeUndefined();
  });

  it('names its channel by a code, whatever the source says', () => {
    fc.assert(fc.property(fc.string(), (source) => /^[a-z][a-z0-9-]{0,63}$/.test(channelOf({ token: '', type: '', url: '', source }))));
    expect(channelOf({ token: '', type: '', url: '', source: 'pull_request_body' })).toBe('scan-pull-request-body');
  });

  it('is not taken from keys of another kind', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' });
    expect(() => leakKeysOf({ public_keys: [{ key_identifier: 'k', key: other }] })).toThrow('P-256');
    expect(() => leakKeysOf({})).toThrow('public_keys');
  });
});
