import { readConsoleConfig } from './config.js';

const environment = {
  WRIT_HTTP_PORT: '4000', WRIT_CONSOLE_URL: 'https://console.example', WRIT_CONSOLE_KEY: Buffer.alloc(32, 1).toString('base64'), WRIT_REDIS_URL: 'redis://redis:6379', WRIT_PLAIN_HOSTS: 'redis, service', WRIT_OIDC_ISSUER: 'https://id.example',
  WRIT_OIDC_CLIENT_SECRET: 'shared', ...Object.fromEntries(['REQUEST', 'POLICY', 'ISSUER', 'ROTATION', 'AUDIT', 'MONITOR'].map((name) => [`WRIT_${name}_URL`, 'http://service:4001'])),
};
const problemsOf = (more: Record<string, string | undefined>): string => {
  try {
    readConsoleConfig({ ...environment, ...more });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('the console’s environment', () => {
  it('is read whole', () => {
    expect(readConsoleConfig(environment)).toMatchObject({ httpPort: 4000, oidcParameters: { resource: 'urn:writ:api' }, sessionIdleSeconds: 1_800, sessionSeconds: 28_800 });
  });

  it('is refused with everything that is wrong at once, and without the values', () => {
    const said = problemsOf({ WRIT_CONSOLE_URL: undefined, WRIT_CONSOLE_KEY: 'too-short-a-secret', WRIT_REDIS_URL: 'postgres://x', WRIT_OIDC_PARAMETERS: 'no json' });
    for (const name of ['WRIT_CONSOLE_URL', 'WRIT_CONSOLE_KEY', 'WRIT_REDIS_URL', 'WRIT_OIDC_PARAMETERS']) expect(said).toContain(name);
    expect(said).not.toContain('too-short');
    expect(problemsOf({ WRIT_OIDC_CLIENT_SECRET: undefined })).toContain('WRIT_OIDC_CLIENT_KEY');
  });

  it('is refused where the provider, Redis or a service would hear secrets in plain text that no operator allowed', () => {
    const said = problemsOf({ WRIT_PLAIN_HOSTS: undefined, WRIT_OIDC_ISSUER: 'http://id.example' });
    for (const name of ['REDIS', 'REQUEST', 'POLICY', 'ISSUER', 'ROTATION', 'AUDIT', 'MONITOR']) expect(said).toContain(`WRIT_${name}_URL would send secrets in plain text`);
    expect(said).toContain('WRIT_OIDC_ISSUER would send secrets in plain text');
  });

  it.each(['http://127.0.0.1:4000', 'http://localhost:4000', 'http://[::1]:4000/', 'https://console.example:8443'])('lets browsers know the console as %s', (address) => {
    expect(problemsOf({ WRIT_CONSOLE_URL: address })).toBe('');
  });

  it.each(['http://console.example', 'https://console.example/writ', 'https://user@console.example', 'ftp://console.example', 'console.example'])('never has cookies sent in plain text, or to a part of a host: %s', (address) => {
    expect(problemsOf({ WRIT_CONSOLE_URL: address })).toContain('WRIT_CONSOLE_URL');
  });
});
