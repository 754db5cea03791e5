import fc from 'fast-check';
import { returnPath } from './return-path.js';

describe('where a sign-in leads back to', () => {
  const own = 'https://console.example';

  it.each([['/', '/'], ['/reviews/req_1?a=b#c', '/reviews/req_1?a=b#c'], ['/authors', '/authors'], ['/a/../b', '/b']])('is a place of the console: %s', (asked, place) => {
    expect(returnPath(asked, own)).toBe(place);
  });

  it.each([
    '', 'reviews', 'https://evil.example/', '//evil.example', '/\\evil.example', '\\\\evil.example', '/\t/evil.example', '/\n/evil.example', 'javascript:alert(1)', ' //evil.example', '///evil.example',
    '/auth/logout', '/auth', '/x/../auth/login', '/api/issuer/v1/tokens', '/a/..//evil.example', '/.//evil.example',
  ])('is never another one, nor a route that acts: %j', (asked) => {
    expect(returnPath(asked, own)).toBeUndefined();
  });

  it('is one for every text, or none, and means the same when it is read again', () => {
    const parts = fc.constantFrom('/', '\\', '.', '..', '//', '/./', '@', ':', '?', '#', '%2f', '%2e', '\t', '\n', 'auth', 'api', 'evil.example', 'javascript:', 'https:');
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.array(parts, { maxLength: 8 }).map((all) => `/${all.join('')}`)), (asked) => {
      const place = returnPath(asked, own);
      if (place === undefined) return;
      const { origin, pathname } = new URL(place, own);
      expect([origin, place.startsWith('/'), place.startsWith('//'), /^\/(auth|api)(\/|$)/.test(pathname), returnPath(place, own)]).toEqual([own, true, false, false, place]);
    }), { numRuns: 1_000 });
  });
});
