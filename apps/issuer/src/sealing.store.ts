import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, CompactEncrypt, importJWK, type JWK } from 'jose';
import { requestDigest } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Secret } from '@writ/token';
import type { SignedRequest } from './may-issue.js';
import type { TokenRow } from './token.row.js';

/** A key that a secret may be sealed to. */
export interface SealingKey {
  keyId: string;
  jwk: JWK;
}

/** What only the holder of the key can read. */
export interface Sealed {
  tokenId: string;
  requestId: string;
  generation: number;
  expiresAt: string;
}

/** The keys that requests carry: believed where their thumbprint stands in the digest that the request service signed. */
@Injectable()
export class Sealing {
  /** The key of a request whose digest and signature were checked. */
  async keyOf({ delivery, deliveryKey, deliveryKeyThumbprint }: SignedRequest): Promise<SealingKey | undefined> {
    if (delivery.mode !== 'sealed' || !deliveryKey || !deliveryKeyThumbprint || 'd' in deliveryKey) return undefined;
    const thumbprint = await calculateJwkThumbprint(deliveryKey as JWK).catch(() => undefined);
    return thumbprint === deliveryKeyThumbprint ? { keyId: delivery.keyId ?? thumbprint, jwk: deliveryKey as JWK } : undefined;
  }

  /** The key that a token's further secrets are sealed to, from the request that its sealed row names; nobody's after a transfer. */
  async keyOfToken(db: Db, token: TokenRow): Promise<SealingKey | undefined> {
    const [row] = await db.query<{ facts: SignedRequest | null }>('SELECT facts FROM request WHERE request_id = $1', [token.request_id]);
    const facts = row?.facts;
    if (!facts || facts.requester.id !== token.owner_id || requestDigest({ ...facts, reason: '' }) !== token.request_digest) return undefined;
    return this.keyOf(facts);
  }
}

/** Compact JWE (RFC 7516), ECDH-ES with A256GCM. The header names key and request, so that one cannot stand for another. */
export async function seal(key: SealingKey, secret: Secret, facts: Sealed): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ ...facts, secret: secret.reveal() }));
  return new CompactEncrypt(payload)
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: key.keyId, typ: 'writ-secret+jwe', request: facts.requestId })
    .encrypt(await importJWK(key.jwk, 'ECDH-ES'));
}
