import { errors, type Adapter, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { clientMetadata, type ConfiguredClient } from './clients.js';
import { deviceCodePage, deviceConfirmPage, deviceDonePage, errorPage, signedOutPage, signOutPage } from './pages.js';
import { accessClaims, personOf } from './people.js';

export interface ProviderFacts {
  audience: string;
  clients: readonly ConfiguredClient[];
  keys: { signing: object; cookies: string };
  adapter: (model: string) => Adapter;
}

const hour = 3600;
/** What the services accept as scopes of a person's session; rights come from groups, not from here. */
const apiScope = 'openid profile offline_access';

/** The whole behaviour of the provider: JWT access tokens (RFC 9068) for one audience, by code with PKCE, device flow or client credentials. */
export function providerConfiguration({ audience, clients, keys, adapter }: ProviderFacts): Configuration {
  return {
    adapter,
    clients: clientMetadata(clients),
    jwks: { keys: [keys.signing] } as Configuration['jwks'],
    cookies: { keys: [keys.cookies], names: { session: 'writ_identity', interaction: 'writ_interaction', resume: 'writ_resume' } },
    scopes: ['openid', 'profile', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name', 'team', 'groups'], acr: null, auth_time: null },
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    pkce: { required: () => true },
    // Also without offline_access, which OpenID Connect ties to prompt=consent: such a refresh token ends with the person's session here.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    ttl: { AccessToken: hour, ClientCredentials: hour, IdToken: hour, Session: 8 * hour, Grant: 8 * hour, RefreshToken: 8 * hour, Interaction: hour, AuthorizationCode: 60, DeviceCode: 600 },
    findAccount: async (_ctx, sub) => {
      const person = personOf(sub);
      return person && { accountId: sub, claims: async () => ({ sub, name: person.name, team: person.team, groups: [...person.groups] }) };
    },
    extraTokenClaims: (ctx, token) => ('accountId' in token ? claimsOfPerson(ctx, token.accountId) : undefined),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    renderError: async (ctx, out) => { ctx.type = 'html'; ctx.body = errorPage(out.error, out.error_description); },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: async (ctx, form, _out, err) => { ctx.body = deviceCodePage(form, err !== undefined); },
        userCodeConfirmSource: async (ctx, form, client, _info, code) => { ctx.body = deviceConfirmPage(form, client.clientName ?? client.clientId, code); },
        successSource: async (ctx) => { ctx.body = deviceDonePage(); },
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx, form) => { ctx.body = signOutPage(form); },
        postLogoutSuccessSource: async (ctx) => { ctx.body = signedOutPage(); },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => {
          if (resource !== audience) throw new errors.InvalidTarget();
          return { scope: apiScope, audience, accessTokenFormat: 'jwt', accessTokenTTL: hour, jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  };
}

/** The moment and strength of the sign-in travel with the code or refresh token that the access token is made from. */
function claimsOfPerson(ctx: KoaContextWithOIDC, sub: string): Record<string, unknown> | undefined {
  const person = personOf(sub);
  const { AuthorizationCode: code, DeviceCode: device, RefreshToken: refresh } = ctx.oidc.entities;
  const signIn = code ?? refresh ?? device;
  return person && accessClaims(person, { acr: signIn?.acr, authTime: signIn?.authTime });
}
