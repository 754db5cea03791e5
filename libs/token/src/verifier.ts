import { createHmac, hash, timingSafeEqual, type KeyObject } from 'node:crypto';
import { encodeFields } from './encode.js';

const digestDomain = 'writ/secret/v1:';

/**
 * SHA-256(domain ‖ secret), 32 bytes: what travels between our own parts instead of the secret.
 * Useless as a bearer, because every door hashes what it is given.
 */
export function innerDigest(secret: string): Buffer {
  return hash('sha256', digestDomain + secret, 'buffer');
}

/** The inner digest as a string of 32 characters, one per byte: the fastest form to look up by. */
export function innerDigestLatin1(secret: string): string {
  return hash('sha256', digestDomain + secret, 'latin1' as 'hex');
}

/**
 * HMAC-SHA-256(pepper, inner digest), 32 bytes: what the database stores and looks up. A dump alone
 * verifies nothing, and nobody without the pepper can insert a row for a secret they made up.
 */
export function verifierOf(digest: Uint8Array, pepper: KeyObject | Uint8Array): Buffer {
  if (digest.length !== 32) throw new RangeError('an inner digest is 32 bytes');
  return createHmac('sha256', pepper).update(digest).digest();
}

/** Compares two MACs or digests in time that does not depend on where they differ. */
export function macEquals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What a token row must still say for its token to verify. Times in milliseconds since 1970. */
export interface RowFields {
  readonly tokenId: string;
  readonly verifier: Uint8Array;
  readonly ownerId: string;
  readonly audience: string;
  /** A set: order and repetition do not matter. */
  readonly scopes: readonly string[];
  readonly expiresAtMs: number;
  readonly stateEpoch: number;
  /** Further limits of the right (say `cidr`, `ratePerMinute`), so that none can be edited away. */
  readonly constraints?: Readonly<Record<string, string>>;
}

/** The bytes a row MAC covers, for key drivers that compute the MAC elsewhere. */
export function rowBytes(row: RowFields): Buffer {
  const constraints = Object.entries(row.constraints ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return encodeFields('writ/row/v1', [
    row.tokenId, row.verifier, row.ownerId, row.audience, [...new Set(row.scopes)].sort(),
    row.expiresAtMs, row.stateEpoch, constraints.flat(),
  ]);
}

/** HMAC-SHA-256 over a token row, so that a row edited in the database does not verify. */
export function rowMac(key: KeyObject | Uint8Array, row: RowFields): Buffer {
  return createHmac('sha256', key).update(rowBytes(row)).digest();
}
