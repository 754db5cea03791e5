import { createPublicKey, hash, type JsonWebKey } from 'node:crypto';
import { canonicalJson, type FieldProblem } from '@writ/contracts';

/** What RFC 7638, section 3.2, and RFC 8037, section 2, put into the thumbprint, by key type and curve. */
const members: Record<string, readonly string[]> = { 'EC P-256': ['crv', 'kty', 'x', 'y'], 'OKP X25519': ['crv', 'kty', 'x'] };

/** The RFC 7638 thumbprint of a public key that secrets can be sealed to (ECDH-ES), or what is wrong with it. */
export function sealingThumbprint(jwk: Record<string, unknown>): string | FieldProblem {
  const names = members[`${String(jwk.kty)} ${String(jwk.crv)}`];
  if (!names) return { pointer: '/jwk', message: 'Only EC P-256 and OKP X25519 keys can be sealed to.' };
  if ('d' in jwk) return { pointer: '/jwk/d', message: 'This is a private key. It is compromised now: make a new one and send its public half.' };
  try {
    createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return { pointer: '/jwk', message: 'This is no valid public key.' };
  }
  return hash('sha256', canonicalJson(publicHalf(jwk)), 'base64url');
}

/** What the key is, and nothing that was written beside it. */
export function publicHalf(jwk: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries((members[`${String(jwk.kty)} ${String(jwk.crv)}`] ?? []).map((name) => [name, jwk[name]]));
}
