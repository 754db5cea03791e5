import type { ClientMetadata, JWKS } from 'oidc-provider';

/** A client with a secret or with keys: a machine, or with redirect URIs a web application. */
export interface ConfiguredClient {
  clientId: string;
  clientSecret?: string;
  /** Public keys; each of them proves the client (private_key_jwt, RFC 7523), so a new one can be added before the old one goes. */
  jwks?: JWKS;
  name?: string;
  redirectUris?: string[];
  /** Where people may be sent after they signed out. */
  postLogoutRedirectUris?: string[];
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

function confidential({ clientId, clientSecret, jwks, name, redirectUris, postLogoutRedirectUris }: ConfiguredClient): ClientMetadata {
  const web = redirectUris !== undefined && redirectUris.length > 0;
  return {
    client_id: clientId,
    ...(jwks === undefined ? { client_secret: clientSecret, token_endpoint_auth_method: 'client_secret_basic' } : { jwks, token_endpoint_auth_method: 'private_key_jwt' }),
    client_name: name ?? clientId,
    grant_types: web ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    response_types: web ? ['code'] : [],
    redirect_uris: redirectUris ?? [],
    post_logout_redirect_uris: postLogoutRedirectUris ?? [],
    id_token_signed_response_alg: 'ES256',
  };
}
