import { refusalOf, refusalOfToken } from './may-change.js';

describe('a call that changes something', () => {
  const own = 'https://console.example';
  const sent = { method: 'POST', origin: own, contentType: 'application/json' };

  it.each([sent, { ...sent, contentType: 'application/json; charset=utf-8' }, { ...sent, method: 'DELETE', contentType: undefined }, { ...sent, method: 'GET', origin: 'https://evil.example', contentType: undefined }])('is let through from the own page: %j', (each) => {
    expect(refusalOf(each, own)).toBeUndefined();
  });

  it.each([undefined, '', 'null', 'http://console.example', 'https://console.example:8443', 'https://console.example.evil.example', 'https://console.example/', 'HTTPS://CONSOLE.EXAMPLE'])('is refused from another origin: %j', (origin) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get']) expect(refusalOf({ ...sent, method, origin }, own)).toMatchObject({ status: 403, code: 'foreign-origin' });
  });

  it.each([undefined, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp', 'text/plain; application/json'])('is refused as %j', (contentType) => {
    expect(refusalOf({ ...sent, contentType }, own)).toMatchObject({ status: 415 });
  });

  it('needs the session’s own header, to the letter', () => {
    expect(refusalOfToken('abc', 'abc')).toBeUndefined();
    for (const given of [undefined, '', 'ab', 'abd', 'abcd', ['abc'], 'äbc']) expect(refusalOfToken(given, 'abc')).toMatchObject({ status: 403, code: 'csrf-needed' });
  });
});
