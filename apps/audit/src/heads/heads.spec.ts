import fc from 'fast-check';
import { encodeBase64, foldHashes, hashLeaf, hashLeaves, verifyInclusion } from '@writ/tlog';
import { headIn, headLine, proveHead, Sealing, type TokenHead } from './heads.js';

const headsOf = (count: number): TokenHead[] => Array.from({ length: count }, (_, i) => ({ token: `tok_${String(i).padStart(6, '0')}`, index: i * 3, k: i % 5 }));

function sealed(heads: readonly TokenHead[], atOnce: number) {
  const sealing = new Sealing(9_000);
  const pages = Array.from({ length: Math.ceil(heads.length / atOnce) }, (_, i) => sealing.add(heads.slice(i * atOnce, (i + 1) * atOnce))).flat();
  const end = sealing.end();
  return { pages: [...pages, ...end.pages], facts: end.facts };
}

it('the sealed root of all tokens is the same however many of them are read at once', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 300 }), (count, atOnce) => {
    const heads = headsOf(count);
    const root = encodeBase64(foldHashes(hashLeaves(heads.map((head) => Buffer.from(headLine(head))))));
    expect(sealed(heads, atOnce).facts).toEqual({ size: 9_000, tokens: count, root });
  }));
});

it('the head of every token is proven by its page and the roots of all pages (G8)', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_500 }), fc.nat(), (count, n) => {
    const heads = headsOf(count);
    const { pages, facts } = sealed(heads, 100);
    const { token } = heads[n % count]!;
    const { page, lines } = pages[Math.floor((n % count) / 256)]!;
    const { place, ...head } = headIn(lines, token)!;
    const proof = proveHead(lines, place, page, pages.map(({ root }) => root));
    expect(verifyInclusion(page * 256 + place, count, hashLeaf(Buffer.from(headLine(head))), proof, Buffer.from(facts.root, 'base64'))).toBe(true);
  }));
});
