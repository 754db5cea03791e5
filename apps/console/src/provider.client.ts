import {
  authorizationCodeGrant, buildAuthorizationUrl, buildEndSessionUrl, calculatePKCECodeChallenge, randomNonce, randomPKCECodeVerifier, randomState, refreshTokenGrant, tokenRevocation,
  type Configuration, type TokenEndpointResponse,
} from 'openid-client';
import { discoverProvider, providerRefusal } from '@writ/client';
import { proofOf, type ConsoleConfig } from './config.js';
import type { Renewed, Session } from './sessions.store.js';

/** What has to be remembered of a sign-in until the person comes back. */
export interface Begun {
  state: string;
  nonce: string;
  verifier: string;
  /** Milliseconds since 1970. */
  beganAt: number;
}

/** What a step-up has to be like, as a service's challenge says it (RFC 9470). */
export interface Strength {
  maxAge?: string;
  acrValues?: string;
}

/** The provider cannot be asked just now. */
export class ProviderAway extends Error {}

/** The identity provider, asked as the confidential client that the console is: code flow with PKCE (RFC 7636), state and nonce. */
export class Provider {
  private known?: Promise<Configuration>;
  private readonly redirectUri: string;

  constructor(private readonly config: ConsoleConfig) {
    this.redirectUri = new URL('/auth/callback', config.consoleUrl).href;
  }

  /** Begins a sign-in; with a strength the provider has to ask the person anew, however well it remembers them. */
  async begin(strength?: Strength): Promise<{ address: string; begun: Begun }> {
    const provider = await this.discovered();
    const begun = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier(), beganAt: Date.now() };
    const address = buildAuthorizationUrl(provider, {
      ...this.config.oidcParameters, redirect_uri: this.redirectUri, scope: this.config.oidcScope, state: begun.state, nonce: begun.nonce,
      code_challenge: await calculatePKCECodeChallenge(begun.verifier), code_challenge_method: 'S256',
      ...(strength && { prompt: ['login', this.config.oidcParameters.prompt].filter(Boolean).join(' '), max_age: strength.maxAge ?? '0', ...(strength.acrValues && { acr_values: strength.acrValues }) }),
    });
    return { address: address.href, begun };
  }

  /**
   * Exchanges the code that came with the person's return. After a step-up the id token has to say that they signed in
   * since it began; the clocks may differ by half a minute.
   * @param search of the address that they came back to, from `?` on
   */
  async finish(search: string, { state, nonce, verifier, beganAt }: Begun, isStepUp: boolean): Promise<Session & { seconds: number }> {
    const provider = await this.discovered();
    const back = new URL(this.redirectUri);
    back.search = search;
    const maxAge = isStepUp ? { maxAge: Math.ceil((Date.now() - beganAt) / 1_000) } : {};
    const answer = await this.asked(() => authorizationCodeGrant(provider, back, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true, ...maxAge }, this.config.oidcParameters));
    const claims = answer.claims() ?? { sub: '', iss: '' };
    const { sub, iss, name, team, groups } = claims as { sub: string; iss: string; name?: string; team?: string; groups?: string[] };
    return { person: { sub, iss, name, team, groups }, idToken: answer.id_token ?? '', ...tokensOf(answer) };
  }

  /** Exchanges a refresh token, which is used up by it. Answers nothing where the sign-in has ended. */
  async renew(refreshToken: string): Promise<Renewed> {
    const provider = await this.discovered();
    try {
      return tokensOf(await this.asked(() => refreshTokenGrant(provider, refreshToken, this.config.oidcParameters)));
    } catch (error) {
      if (providerRefusal(error) === 'invalid_grant') return undefined;
      throw error;
    }
  }

  /** Has the provider end the refresh token. Answers whether it did. */
  async revoke(refreshToken: string): Promise<boolean> {
    return this.discovered().then((provider) => tokenRevocation(provider, refreshToken)).then(() => true, () => false);
  }

  /** Where the person's browser ends its session at the provider too (RP-initiated logout); nothing where it offers none, or is away. */
  async endSession(idToken: string): Promise<string | undefined> {
    const provider = await this.discovered().catch(() => undefined);
    if (provider?.serverMetadata().end_session_endpoint === undefined) return undefined;
    return buildEndSessionUrl(provider, { id_token_hint: idToken, post_logout_redirect_uri: new URL('/', this.config.consoleUrl).href }).href;
  }

  /** Asked once; asked again after a failure. */
  private async discovered(): Promise<Configuration> {
    const { oidcIssuer, oidcClientId } = this.config;
    this.known ??= this.asked(() => discoverProvider(oidcIssuer, oidcClientId, proofOf(this.config)));
    this.known.catch(() => { this.known = undefined; });
    return this.known;
  }

  private async asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      if (providerRefusal(error) === 'no-answer') throw new ProviderAway('The identity provider does not answer.', { cause: error });
      throw error;
    }
  }
}

const tokensOf = ({ access_token: accessToken, refresh_token: refreshToken, expires_in: seconds = 300 }: TokenEndpointResponse) => ({ accessToken, refreshToken, seconds });
