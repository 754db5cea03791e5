import type { ClientMetadata } from 'oidc-provider';

/** A client with a secret: a machine, or with redirect URIs a web application. */
export interface ConfiguredClient {
  clientId: string;
  clientSecret: string;
  name?: string;
  redirectUris?: string[];
}

/** The command line: a public client (RFC 8252), so it proves itself by PKCE or by the device flow. Any loopback port may receive the code. */
const commandLine: ClientMetadata = {
  client_id: 'writ-cli',
  client_name: 'writ, the command line',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
  id_token_signed_response_alg: 'ES256',
};

export const clientMetadata = (configured: readonly ConfiguredClient[]): ClientMetadata[] => [commandLine, ...configured.map(confidential)];

function confidential({ clientId, clientSecret, name, redirectUris }: ConfiguredClient): ClientMetadata {
  const web = redirectUris !== undefined && redirectUris.length > 0;
  return {
    client_id: clientId,
    client_secret: clientSecret,
    client_name: name ?? clientId,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: web ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    response_types: web ? ['code'] : [],
    redirect_uris: redirectUris ?? [],
    id_token_signed_response_alg: 'ES256',
  };
}
