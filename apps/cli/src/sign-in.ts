import { createPrivateKey, type webcrypto } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Configuration, TokenEndpointResponse } from 'openid-client';
import { Ended, exitCodes } from './exit.js';
import { savePrivately, stateFile } from './session-file.js';

/** What `writ login` leaves for the commands after it. */
export interface SignIn {
  accessToken: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
  issuer: string;
  refreshToken?: string;
}

type Environment = Record<string, string | undefined>;

const clientId = 'writ-cli';
/** The audience that every service of the platform demands. */
const resource = 'urn:writ:api';
const scope = 'openid profile offline_access';
const timeoutSeconds = 20;

export function savedSignIn(env: Environment): SignIn | undefined {
  const file = stateFile('sign-in.json', env);
  if (!existsSync(file)) return undefined;
  try {
    const saved = JSON.parse(readFileSync(file, 'utf8')) as SignIn;
    return saved.issuer === env.WRIT_OIDC_ISSUER ? saved : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) throw new Ended(exitCodes.notAuthenticated, `${file} is damaged.`, 'Run writ login again.');
    throw error;
  }
}

export function saveSignIn(signIn: SignIn, env: Environment): void {
  savePrivately(stateFile('sign-in.json', env), JSON.stringify(signIn));
}

/**
 * Signs a person in by the device flow (RFC 8628): the browser may be on another machine.
 * @param again asks the provider for a new sign-in even where the browser is signed in: what needs a fresh one counts from then
 * @param onCode shows the address and the code to type there
 */
export async function signInByDevice(issuer: string, again: boolean, onCode: (address: string, code: string, wholeAddress: string | undefined) => void, signal?: AbortSignal): Promise<SignIn> {
  const { initiateDeviceAuthorization, None, pollDeviceAuthorizationGrant } = await import('openid-client');
  const provider = await discover(issuer, clientId, None());
  return asked(issuer, async () => {
    const begun = await initiateDeviceAuthorization(provider, { scope, resource, ...(again ? { max_age: '1' } : {}) });
    onCode(begun.verification_uri, begun.user_code, begun.verification_uri_complete);
    return signInOf(issuer, await pollDeviceAuthorizationGrant(provider, begun, { resource }, { signal }));
  });
}

/** Exchanges the refresh token; the old one is used up by it. */
export async function refreshed({ issuer, refreshToken }: SignIn): Promise<SignIn> {
  const { None, refreshTokenGrant } = await import('openid-client');
  const provider = await discover(issuer, clientId, None());
  return asked(issuer, async () => {
    const answer = signInOf(issuer, await refreshTokenGrant(provider, refreshToken ?? '', { resource }));
    return { ...answer, refreshToken: answer.refreshToken ?? refreshToken };
  });
}

/** How a machine proves itself at its identity provider: by a shared secret, or by a private key that never leaves it (RFC 7523). */
export type MachineProof = { secret: string } | { keyFile: string };

/** Signs a machine in by its client credentials (RFC 6749, section 4.4). */
export async function signInAsMachine(issuer: string, machineId: string, proof: MachineProof): Promise<SignIn> {
  const { clientCredentialsGrant, ClientSecretBasic, PrivateKeyJwt } = await import('openid-client');
  const provider = await discover(issuer, machineId, 'secret' in proof ? ClientSecretBasic(proof.secret) : PrivateKeyJwt(await privateKey(proof.keyFile)));
  return asked(issuer, async () => signInOf(issuer, await clientCredentialsGrant(provider, { resource })));
}

/** Forgets the sign-in here, and has the provider end it there. @returns false where the provider could not be asked */
export async function signOut(env: Environment): Promise<boolean> {
  const saved = savedSignIn(env);
  rmSync(stateFile('sign-in.json', env), { force: true });
  if (!saved?.refreshToken) return true;
  const { None, tokenRevocation } = await import('openid-client');
  try {
    await tokenRevocation(await discover(saved.issuer, clientId, None()), saved.refreshToken);
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}

/** Reads a key as Web Crypto wants it: of P-256 or Ed25519, in PKCS#8. Its content is in no message. */
async function privateKey(file: string): Promise<webcrypto.CryptoKey> {
  const algorithms = { 'prime256v1': { name: 'ECDSA', namedCurve: 'P-256' }, 'ed25519': { name: 'Ed25519' } };
  try {
    const key = createPrivateKey(readFileSync(file));
    const algorithm = algorithms[(key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType) as keyof typeof algorithms];
    if (algorithm !== undefined) return key.toCryptoKey(algorithm, false, ['sign']);
  } catch {
    // Said below, without what the file holds.
  }
  throw new Ended(exitCodes.usage, `${file} is no private key of P-256 or Ed25519 that can be read.`, 'Make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256');
}

async function discover(issuer: string, id: string, authentication: import('openid-client').ClientAuth): Promise<Configuration> {
  const { allowInsecureRequests, discovery } = await import('openid-client');
  const url = new URL(issuer);
  const isLocal = url.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  return asked(issuer, () => discovery(url, id, undefined, authentication, { timeout: timeoutSeconds, ...(isLocal ? { execute: [allowInsecureRequests] } : {}) }));
}

function signInOf(issuer: string, { access_token: accessToken, expires_in: expiresIn = 300, refresh_token: refreshToken }: TokenEndpointResponse): SignIn {
  return { accessToken, expiresAt: Date.now() + expiresIn * 1_000, issuer, ...(refreshToken ? { refreshToken } : {}) };
}

/** Says in our words what went wrong between us and the identity provider. */
async function asked<Answer>(issuer: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    const code = (error as { error?: string }).error;
    if (code === 'access_denied') throw new Ended(exitCodes.denied, 'The sign-in was refused.');
    if (code === 'expired_token') throw new Ended(exitCodes.timedOut, 'The code ran out before anybody typed it.', 'Run writ login again.');
    if (code === 'invalid_grant') throw new Ended(exitCodes.notAuthenticated, 'Your sign-in has ended.', 'Run writ login again.');
    if (code !== undefined) throw new Ended(exitCodes.notAuthenticated, `The identity provider refused: ${code}.`, 'Run writ login; for a machine, check WRIT_CLIENT_ID and WRIT_CLIENT_SECRET.');
    if (error instanceof TypeError || ['AbortError', 'TimeoutError'].includes((error as Error).name) || (error as { code?: string }).code === 'OAUTH_TIMEOUT') {
      throw new Ended(exitCodes.tryAgain, `The identity provider at ${issuer} does not answer.`, 'Is WRIT_OIDC_ISSUER right, and is it running?');
    }
    throw error;
  }
}
