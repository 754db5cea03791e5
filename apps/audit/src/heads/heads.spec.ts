import fc from 'fast-check';
import { encodeBase64, foldHashes, hashLeaves } from '@writ/tlog';
import { headLeaf, headsFacts, type TokenHead } from './heads.js';

const headsOf = (count: number): TokenHead[] => Array.from({ length: count }, (_, i) => ({ token: `tok_${String(i).padStart(6, '0')}`, index: i * 3, k: i % 5 }));

it('the sealed root of all tokens is the same however many of them are read at once', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 300 }), async (count, atOnce) => {
    const heads = headsOf(count);
    const pages = Array.from({ length: Math.ceil(count / atOnce) }, (_, i) => heads.slice(i * atOnce, (i + 1) * atOnce));
    const root = encodeBase64(foldHashes(hashLeaves(heads.map(headLeaf))));
    expect(await headsFacts(9_000, pages)).toEqual({ size: 9_000, tokens: count, root });
  }));
});
