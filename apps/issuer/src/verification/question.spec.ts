import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { innerDigest, innerDigestLatin1, mint } from '@writ/token';
import { questionOf, questionsOf } from './question.js';

const secret = mint('prod', randomBytes(32)).reveal();

describe('a question', () => {
  it('of a token and of its digest is the same', () => {
    const digest = innerDigest(secret).toString('base64url');
    expect(questionOf({ token: secret })).toMatchObject({ digest: innerDigestLatin1(secret) });
    expect(questionOf({ digest })).toMatchObject({ digest: innerDigestLatin1(secret) });
  });

  it.each([
    ['nothing', undefined], ['a text', 'x'], ['a list', []], ['neither token nor digest', {}], ['both', { token: secret, digest: 'x' }], ['a token that is no text', { token: 7 }],
    ['a digest that is none', { digest: 'x' }], ['an unknown field', { token: secret, admin: true }], ['scopes that are no list', { token: secret, scopes: 'a' }],
    ['scopes that are no texts', { token: secret, scopes: [1] }], ['an audience that is no text', { token: secret, audience: {} }], ['a minSeq below zero', { token: secret, minSeq: -1 }],
    ['a minSeq that is no whole number', { token: secret, minSeq: 1.5 }], ['an address that is no text', { token: secret, address: 1 }],
  ])('is refused that is %s, without an echo (G3)', (_, body) => {
    const problem = questionOf(body);
    expect(problem).toHaveProperty('pointer');
    expect(JSON.stringify(problem)).not.toContain(secret);
  });

  it.each([
    ['junk', 'x'], ['empty', ''], ['truncated', secret.slice(0, -1)], ['doubled', secret + secret], ['of a megabyte', secret.repeat(15_000)], ['of another environment', secret.replace('prod', 'dev')],
    ['with a wrong checksum', `${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`],
  ])('with a token that is %s is malformed, not wrong', (_, token) => {
    expect(questionOf({ token })).toMatchObject({ digest: undefined });
  });

  it('of a batch has 1 to 1,000 items, all well-formed', () => {
    expect(questionsOf({ tokens: [{ token: secret }, { token: 'junk' }], minSeq: 4 })).toMatchObject([{ minSeq: 4 }, { minSeq: 4, digest: undefined }]);
    for (const body of [{}, { tokens: [] }, { tokens: Array(1_001).fill({ token: 'x' }) }, { tokens: [{ token: 1 }] }, { tokens: [null] }, { tokens: [{ token: 'x' }], more: 1 }]) expect(questionsOf(body)).toHaveProperty('pointer');
  });

  it('is total over every JSON value', () => {
    fc.assert(fc.property(fc.jsonValue(), (body) => {
      questionOf(body);
      questionsOf(body);
      questionsOf({ tokens: [body] });
    }));
  });
});
