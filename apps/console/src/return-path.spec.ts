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
    const place = returnPath(asked, own);
    expect(place === undefined || new URL(place, own).origin === own && place.startsWith('/') && !place.startsWith('//')).toBe(true);
    expect(place ?? '').not.toMatch(/^\/(auth|api)\b|evil/);
  });
});
