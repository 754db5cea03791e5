import { pathTo } from './operations.js';

describe('the path that a service is asked for', () => {
  const template = '/v1/tokens/{tokenId}/claim';

  it.each([['tok_1', '/v1/tokens/tok_1/claim'], ['auth0|a@b', '/v1/tokens/auth0%7Ca%40b/claim'], ['../gateways?x#y', '/v1/tokens/..%2Fgateways%3Fx%23y/claim'], ['...', '/v1/tokens/.../claim']])('has %j as one part', (tokenId, path) => {
    expect(pathTo(template, { tokenId })).toBe(path);
    expect(new URL(path, 'http://issuer').pathname).toBe(path);
  });

  it.each(['', '.', '..'])('is none with %j, which would be another one', (tokenId) => {
    expect(pathTo(template, { tokenId })).toBeUndefined();
  });
});
