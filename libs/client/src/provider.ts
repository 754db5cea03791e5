import { createPrivateKey, type webcrypto } from 'node:crypto';
import type { ClientAuth, Configuration } from 'openid-client';
import { isThisMachine } from '@writ/contracts';

/** How a client proves itself at the identity provider: by a shared secret, or by a private key that never leaves it (RFC 7523). */
export type ClientProof = { secret: string } | { privateKeyPem: string };

/** What was given is no private key that a client can prove itself by. */
export class ClientKeyError extends Error {
  constructor() {
    super('This is no private key of P-256 or Ed25519 that can be read.');
    this.name = 'ClientKeyError';
  }
}

const timeoutSeconds = 20;

/**
 * Reads an identity provider's discovery document, for one client of it; without a proof the client is a public one.
 * Plain http is for a provider on this machine alone. openid-client is loaded on first use: most callers never need it.
 * @throws ClientKeyError
 */
export async function discoverProvider(issuer: string, clientId: string, proof?: ClientProof): Promise<Configuration> {
  const { allowInsecureRequests, discovery } = await import('openid-client');
  const url = new URL(issuer);
  return discovery(url, clientId, undefined, await authenticationBy(proof), { timeout: timeoutSeconds, ...(isLocalHttp(url) ? { execute: [allowInsecureRequests] } : {}) });
}

/** Whether an address is plain http to this machine, where nobody listens in between. */
export function isLocalHttp({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && isThisMachine(hostname);
}

/** What the provider said no with (RFC 6749, section 5.2), `no-answer` where it said nothing; nothing where the error is of another kind. */
export function providerRefusal(error: unknown): string | undefined {
  const { error: said, code, name } = error as { error?: string; code?: string; name?: string };
  if (typeof said === 'string') return said;
  return error instanceof TypeError || name === 'AbortError' || name === 'TimeoutError' || code === 'OAUTH_TIMEOUT' ? 'no-answer' : undefined;
}

async function authenticationBy(proof: ClientProof | undefined): Promise<ClientAuth> {
  const { ClientSecretBasic, None, PrivateKeyJwt } = await import('openid-client');
  if (proof === undefined) return None();
  return 'secret' in proof ? ClientSecretBasic(proof.secret) : PrivateKeyJwt(clientKeyOf(proof.privateKeyPem));
}

/** Reads a key as Web Crypto wants it: of P-256 or Ed25519, in PKCS#8. Its content is in no message. */
function clientKeyOf(pem: string): webcrypto.CryptoKey {
  const algorithms = { 'prime256v1': { name: 'ECDSA', namedCurve: 'P-256' }, 'ed25519': { name: 'Ed25519' } };
  try {
    const key = createPrivateKey(pem);
    const algorithm = algorithms[(key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType) as keyof typeof algorithms];
    if (algorithm !== undefined) return key.toCryptoKey(algorithm, false, ['sign']);
  } catch {
    // Said below, without what was given.
  }
  throw new ClientKeyError();
}
