import { hash, sign, verify, type KeyObject } from 'node:crypto';

/**
 * Signed statements: compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), made and checked in process.
 * Each names its purpose, so that a signature given for one thing never counts for another.
 */
export const purposes = ['request', 'decision', 'vote', 'policy-set', 'proposal', 'leak', 'rotation'] as const;
export type Purpose = (typeof purposes)[number];

export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
}

export interface TrustedKey {
  kid: string;
  /** The service that holds the private half. */
  service: string;
  purposes: readonly Purpose[];
  publicKey: KeyObject;
}

/** The keys an operator mounted, by kid. Never filled from the bus, a JWKS address or a database. */
export type Trust = ReadonlyMap<string, TrustedKey>;

export type Claims = Record<string, unknown> & {
  /** Seconds since 1970. */
  iat: number;
  exp?: number;
};

/** Signs claims for one purpose. */
export function signStatement(key: SigningKey, purpose: Purpose, claims: Claims): string {
  const header = encode({ alg: 'EdDSA', kid: key.kid, typ: `writ-${purpose}+jws` });
  const signed = `${header}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

export type StatementFault = 'statement-malformed' | 'statement-unknown-key' | 'statement-wrong-purpose'
  | 'statement-bad-signature' | 'statement-expired';

/**
 * Checks signature, key, purpose and expiry.
 * @returns the claims, or a stable code of what is wrong; never throws on bad input
 */
export function verifyStatement(trust: Trust, purpose: Purpose, statement: string, now: Date): Claims | StatementFault {
  const [head, body, signature, more] = statement.split('.');
  if (!head || !body || !signature || more !== undefined) return 'statement-malformed';
  const header = decode(head);
  const claims = decode(body);
  if (!header || !claims || typeof header.kid !== 'string' || typeof claims.iat !== 'number') return 'statement-malformed';
  if (header.alg !== 'EdDSA' || header.crit !== undefined) return 'statement-malformed';
  const key = trust.get(header.kid);
  if (!key) return 'statement-unknown-key';
  if (header.typ !== `writ-${purpose}+jws` || !key.purposes.includes(purpose)) return 'statement-wrong-purpose';
  if (!isSigned(statement, key.publicKey)) return 'statement-bad-signature';
  if (claims.exp !== undefined && (typeof claims.exp !== 'number' || claims.exp * 1000 <= now.getTime())) {
    return 'statement-expired';
  }
  return claims as Claims;
}

/**
 * Signatures that were found good: what is looked at on arrival is looked at again when it is acted on, and under load many
 * thousands arrive in between. Digests are kept, 32,000 a key at the most, the older half of them forgotten at a time.
 */
class Remembered {
  private young = new Set<string>();
  private old = new Set<string>();

  has(digest: string): boolean {
    return this.young.has(digest) || this.old.has(digest);
  }

  add(digest: string): void {
    if (this.young.size >= 16_000) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(digest);
  }
}

const remembered = new WeakMap<KeyObject, Remembered>();

function isSigned(statement: string, key: KeyObject): boolean {
  let good = remembered.get(key);
  if (!good) remembered.set(key, good = new Remembered());
  const digest = hash('sha256', statement, 'base64');
  if (good.has(digest)) return true;
  const dot = statement.lastIndexOf('.');
  if (!verify(null, Buffer.from(statement.slice(0, dot)), key, Buffer.from(statement.slice(dot + 1), 'base64url'))) return false;
  good.add(digest);
  return true;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
