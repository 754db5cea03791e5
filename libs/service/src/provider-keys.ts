import { createLocalJWKSet, createRemoteJWKSet, jwksCache, type ExportedJWKSCache, type JWTVerifyGetKey } from 'jose';
import { JOSENotSupported, JWKSMultipleMatchingKeys, JWKSNoMatchingKey } from 'jose/errors';
import { later } from './problems.js';

const timeoutDuration = 5_000;
/** The keys that a provider gave last count for so long while it does not answer: what it withdrew meanwhile counts too. */
const keptMs = 3_600_000;
/** A provider that failed is not asked again for so long, so that not everybody waits for it. */
const restMs = 5_000;

/**
 * Where a provider's keys are, by its discovery document (OpenID Connect Discovery 1.0, section 4.3). Nothing where the
 * document is another provider's, or where whoever listens in between could put keys in that it did not name.
 */
export function keysAddress(document: unknown, issuer: string): URL | undefined {
  const { issuer: said, jwks_uri: text } = (document ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (said !== issuer || typeof text !== 'string' || !URL.canParse(text)) return undefined;
  const address = new URL(text);
  const isSafe = address.protocol === 'https:' || (address.protocol === 'http:' && new URL(issuer).protocol === 'http:');
  return isSafe ? address : undefined;
}

/**
 * The keys of the identity provider. That it does not answer, or with something else than keys, says nothing of a token:
 * then its last keys count for an hour more, and after that, or for a token that none of them signed, callers hear "later".
 */
export function providerKeys(address: URL): JWTVerifyGetKey {
  const kept: ExportedJWKSCache | Record<string, never> = {};
  const remote = createRemoteJWKSet(address, { timeoutDuration, [jwksCache]: kept });
  let restUntil = -Infinity;
  return async (header, token) => {
    try {
      if (performance.now() < restUntil) throw new Error('resting');
      return await remote(header, token);
    } catch (error) {
      if (saysOfToken(error)) throw error;
      if (performance.now() >= restUntil) restUntil = performance.now() + restMs;
      if (kept.jwks === undefined || kept.uat === undefined || Date.now() - kept.uat > keptMs) throw later('The identity provider does not answer.');
      return createLocalJWKSet(kept.jwks)(header, token).catch(() => {
        throw later('The identity provider does not answer.');
      });
    }
  };
}

function saysOfToken(error: unknown): boolean {
  return error instanceof JWKSNoMatchingKey || error instanceof JWKSMultipleMatchingKeys || error instanceof JOSENotSupported;
}
