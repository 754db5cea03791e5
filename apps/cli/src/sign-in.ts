import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Configuration, TokenEndpointResponse } from 'openid-client';
import { ClientKeyError, discoverProvider, providerRefusal, type ClientProof } from '@writ/client';
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
  const { initiateDeviceAuthorization, pollDeviceAuthorizationGrant } = await import('openid-client');
  const provider = await discover(issuer, clientId);
  return asked(issuer, async () => {
    const begun = await initiateDeviceAuthorization(provider, { scope, resource, ...(again ? { max_age: '1' } : {}) });
    onCode(begun.verification_uri, begun.user_code, begun.verification_uri_complete);
    return signInOf(issuer, await pollDeviceAuthorizationGrant(provider, begun, { resource }, { signal }));
  });
}

/** Exchanges the refresh token; the old one is used up by it. */
export async function refreshed({ issuer, refreshToken }: SignIn): Promise<SignIn> {
  const { refreshTokenGrant } = await import('openid-client');
  const provider = await discover(issuer, clientId);
  return asked(issuer, async () => {
    const answer = signInOf(issuer, await refreshTokenGrant(provider, refreshToken ?? '', { resource }));
    return { ...answer, refreshToken: answer.refreshToken ?? refreshToken };
  });
}

/** How a machine proves itself: by a secret, or by a key in a file. */
export type MachineProof = { secret: string } | { keyFile: string };

/** Signs a machine in by its client credentials (RFC 6749, section 4.4). */
export async function signInAsMachine(issuer: string, machineId: string, proof: MachineProof): Promise<SignIn> {
  const { clientCredentialsGrant } = await import('openid-client');
  const provider = 'secret' in proof ? await discover(issuer, machineId, proof) : await withKey(proof.keyFile, (privateKeyPem) => discover(issuer, machineId, { privateKeyPem }));
  return asked(issuer, async () => signInOf(issuer, await clientCredentialsGrant(provider, { resource })));
}

/** Forgets the sign-in here, and has the provider end it there. @returns false where the provider could not be asked */
export async function signOut(env: Environment): Promise<boolean> {
  const saved = savedSignIn(env);
  rmSync(stateFile('sign-in.json', env), { force: true });
  if (!saved?.refreshToken) return true;
  const { tokenRevocation } = await import('openid-client');
  try {
    await tokenRevocation(await discover(saved.issuer, clientId), saved.refreshToken);
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}

/** Does something with a key's file; what is wrong with it is said without its content. */
async function withKey<Result>(file: string, use: (pem: string) => Promise<Result>): Promise<Result> {
  try {
    return await use(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof ClientKeyError) && (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new Ended(exitCodes.usage, `${file} is no private key of P-256 or Ed25519 that can be read.`, 'Make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256');
  }
}

const discover = (issuer: string, id: string, proof?: ClientProof): Promise<Configuration> => asked(issuer, () => discoverProvider(issuer, id, proof));

function signInOf(issuer: string, { access_token: accessToken, expires_in: expiresIn = 300, refresh_token: refreshToken }: TokenEndpointResponse): SignIn {
  return { accessToken, expiresAt: Date.now() + expiresIn * 1_000, issuer, ...(refreshToken ? { refreshToken } : {}) };
}

/** Says in our words what went wrong between us and the identity provider. */
async function asked<Answer>(issuer: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    const refusal = providerRefusal(error);
    if (refusal === undefined) throw error;
    if (refusal === 'no-answer') throw new Ended(exitCodes.tryAgain, `The identity provider at ${issuer} does not answer.`, 'Is WRIT_OIDC_ISSUER right, and is it running?');
    if (refusal === 'access_denied') throw new Ended(exitCodes.denied, 'The sign-in was refused.');
    if (refusal === 'expired_token') throw new Ended(exitCodes.timedOut, 'The code ran out before anybody typed it.', 'Run writ login again.');
    if (refusal === 'invalid_grant') throw new Ended(exitCodes.notAuthenticated, 'Your sign-in has ended.', 'Run writ login again.');
    throw new Ended(exitCodes.notAuthenticated, `The identity provider refused: ${refusal}.`, 'Run writ login; for a machine, check WRIT_CLIENT_ID and WRIT_CLIENT_SECRET.');
  }
}
