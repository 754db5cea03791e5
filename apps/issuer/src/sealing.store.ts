import { createCipheriv, createPublicKey, diffieHellman, generateKeyPairSync, hash, randomBytes, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { requestDigest } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import type { Secret } from '@writ/token';
import type { SignedRequest } from './may-issue.js';
import type { TokenRow } from './token.row.js';

/** A key that a secret may be sealed to. */
export interface SealingKey {
  keyId: string;
  publicKey: KeyObject;
}

/** What only the holder of the key can read. */
export interface Sealed {
  tokenId: string;
  requestId: string;
  generation: number;
  expiresAt: string;
}

const factsOf = lookup<{ request_id: string; facts: SignedRequest | null }>('SELECT request_id, facts FROM request WHERE request_id = ANY($1)', (row) => row.request_id);
const mostRemembered = 1_000;

/** The keys that requests carry: believed where their thumbprint stands in the digest that the request service signed. */
@Injectable()
export class Sealing {
  /** Keys by their JWK: an owner's tokens have the same one again and again. */
  private readonly remembered = new Map<string, { thumbprint: string; publicKey: KeyObject }>();

  /** The key of a request whose digest and signature were checked. */
  async keyOf({ delivery, deliveryKey, deliveryKeyThumbprint }: SignedRequest): Promise<SealingKey | undefined> {
    if (delivery.mode !== 'sealed' || !deliveryKey || !deliveryKeyThumbprint || 'd' in deliveryKey) return undefined;
    const { thumbprint, publicKey } = (await this.read(deliveryKey as JWK)) ?? {};
    return publicKey && thumbprint === deliveryKeyThumbprint ? { keyId: delivery.keyId ?? thumbprint, publicKey } : undefined;
  }

  /** The key that a token's further secrets are sealed to, from the request that its sealed row names; nobody's after a transfer. */
  async keyOfToken(db: Db, token: TokenRow): Promise<SealingKey | undefined> {
    const facts = (await db.one(factsOf, token.request_id))?.facts;
    if (!facts || facts.requester.id !== token.owner_id || requestDigest({ ...facts, reason: '' }) !== token.request_digest) return undefined;
    return this.keyOf(facts);
  }

  private async read(jwk: JWK): Promise<{ thumbprint: string; publicKey: KeyObject } | undefined> {
    const text = JSON.stringify(jwk);
    const known = this.remembered.get(text);
    if (known) return known;
    if (!Object.hasOwn(pairs, String(jwk.crv))) return undefined;
    try {
      const key = { thumbprint: await calculateJwkThumbprint(jwk), publicKey: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }) };
      if (this.remembered.size >= mostRemembered) this.remembered.clear();
      this.remembered.set(text, key);
      return key;
    } catch {
      return undefined; // No key that anything can be sealed to.
    }
  }
}

const pairs = { 'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }), X25519: () => generateKeyPairSync('x25519') };

/**
 * Compact JWE (RFC 7516), ECDH-ES with A256GCM. The header names key and request, so that one cannot stand for another.
 * By node:crypto in one go: a mass rotation seals thousands, and half of each would be trips to other threads.
 */
export function seal({ keyId, publicKey }: SealingKey, secret: Secret, facts: Sealed): string {
  const ours = pairs[publicKey.asymmetricKeyType === 'x25519' ? 'X25519' : 'P-256']();
  const contentKey = contentKeyOf(diffieHellman({ privateKey: ours.privateKey, publicKey }));
  const header = Buffer.from(JSON.stringify({
    alg: 'ECDH-ES', enc: 'A256GCM', kid: keyId, typ: 'writ-secret+jwe', request: facts.requestId, epk: ours.publicKey.export({ format: 'jwk' }),
  })).toString('base64url');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ ...facts, secret: secret.reveal() })), cipher.final()]);
  return [header, '', ...[iv, sealed, cipher.getAuthTag()].map((part) => part.toString('base64url'))].join('.');
}

/** Concat KDF with one round of SHA-256 (RFC 7518, section 4.6.2): nobody is named, and 256 bits are wanted. */
function contentKeyOf(shared: Buffer): Buffer {
  return hash('sha256', Buffer.concat([uint32(1), shared, uint32(7), Buffer.from('A256GCM'), uint32(0), uint32(0), uint32(256)]), 'buffer');
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
