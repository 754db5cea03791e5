import { createCipheriv, createPublicKey, diffieHellman, generateKeyPairSync, hash, randomBytes, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { requestDigest } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { inSlices } from '@writ/service';
import type { Secret } from '@writ/token';
import type { SignedRequest } from '../issuing/may-issue.js';
import type { TokenRow } from '../tokens/token.row.js';

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

/** What is in the thumbprint of a key, in its order (RFC 7638, section 3.2; RFC 8037, section 2), and a fresh pair on its curve. */
const curves = {
  'EC P-256': { members: ['crv', 'kty', 'x', 'y'], fresh: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  'OKP X25519': { members: ['crv', 'kty', 'x'], fresh: () => generateKeyPairSync('x25519') },
} as const;
type Curve = keyof typeof curves;
const keyLength = 256;
const ivLength = 12;
const maxRemembered = 10_000;

/** The keys that requests carry: believed where their thumbprint stands in the digest that the request service signed. */
@Injectable()
export class Sealing {
  /** By thumbprint, which is all there is to a key: checking that a point lies on its curve costs as much as sealing. */
  private readonly remembered = new Map<string, KeyObject>();

  private readonly digestOf = inSlices((facts: SignedRequest) => requestDigest({ ...facts, reason: '' }));

  /** The key of a request whose digest and signature were checked. */
  keyOf({ delivery, deliveryKey, deliveryKeyThumbprint }: SignedRequest): SealingKey | undefined {
    if (delivery.mode !== 'sealed' || !deliveryKey || !deliveryKeyThumbprint || 'd' in deliveryKey) return undefined;
    const curve = curves[`${String(deliveryKey.kty)} ${String(deliveryKey.crv)}` as Curve];
    if (!curve) return undefined;
    const jwk = Object.fromEntries(curve.members.map((name) => [name, deliveryKey[name]]));
    const thumbprint = hash('sha256', JSON.stringify(jwk), 'base64url');
    const publicKey = thumbprint === deliveryKeyThumbprint && this.imported(thumbprint, jwk);
    return publicKey ? { keyId: delivery.keyId ?? thumbprint, publicKey } : undefined;
  }

  /** The key that a token's further secrets are sealed to, from the request that its sealed row names; nobody's after a transfer. */
  async keyOfToken(db: Db, token: TokenRow): Promise<SealingKey | undefined> {
    const facts = (await db.one(factsOf, token.request_id))?.facts;
    if (!facts || facts.requester.id !== token.owner_id || (await this.digestOf(facts)) !== token.request_digest) return undefined;
    return this.keyOf(facts);
  }

  private imported(thumbprint: string, jwk: JsonWebKey): KeyObject | undefined {
    const known = this.remembered.get(thumbprint);
    if (known) return known;
    try {
      const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
      agreement(publicKey);
      if (this.remembered.size >= maxRemembered) this.remembered.clear();
      this.remembered.set(thumbprint, publicKey);
      return publicKey;
    } catch {
      return undefined; // No point of its curve, or one of small order: nothing can be agreed on with it.
    }
  }
}

const factsOf = lookup<{ request_id: string; facts: SignedRequest | null }>('SELECT request_id, facts FROM request WHERE request_id = ANY($1)', (row) => row.request_id);

/**
 * Compact JWE (RFC 7516), ECDH-ES with A256GCM (RFC 7518, section 4.6). The header names key and request, so that one
 * cannot stand for another. Without a promise: crossing over to the thread pool six times costs more than the work.
 */
export function seal({ keyId, publicKey }: SealingKey, secret: Secret, facts: Sealed): string {
  const { agreed, epk } = agreement(publicKey);
  const header = base64url(JSON.stringify({
    alg: 'ECDH-ES', enc: 'A256GCM', kid: keyId, typ: 'writ-secret+jwe', request: facts.requestId, epk,
  }));
  const contentKey = derivedKey(agreed, 'A256GCM');
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ ...facts, secret: secret.reveal() })), cipher.final()]);
  return [header, '', iv.toString('base64url'), sealed.toString('base64url'), cipher.getAuthTag().toString('base64url')].join('.');
}

/** What a fresh key and the recipient's have in common, and the public half of the fresh one. */
function agreement(publicKey: KeyObject): { agreed: Buffer; epk: JsonWebKey } {
  const fresh = curves[publicKey.asymmetricKeyType === 'x25519' ? 'OKP X25519' : 'EC P-256'].fresh();
  return { agreed: diffieHellman({ privateKey: fresh.privateKey, publicKey }), epk: fresh.publicKey.export({ format: 'jwk' }) };
}

/** Concat KDF (NIST SP 800-56A, section 5.8.1) with empty party infos: one round of SHA-256 is one key of 256 bits. */
function derivedKey(agreed: Buffer, algorithm: string): Buffer {
  const name = Buffer.from(algorithm);
  return hash('sha256', Buffer.concat([uint32(1), agreed, uint32(name.length), name, uint32(0), uint32(0), uint32(keyLength)]), 'buffer');
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const base64url = (text: string) => Buffer.from(text).toString('base64url');
