import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, CompactEncrypt, importJWK, type JWK } from 'jose';
import { canonicalJson, type Principal, type SealingKeyAnswer, type SealingKeyRegistration } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { conflict, invalid } from '@writ/service';
import { encodeFields, macEquals, type KeyProvider, type Secret } from '@writ/token';
import { KEYS } from './keys.store.js';

interface KeyRow {
  thumbprint: string;
  owner: string;
  key_id: string;
  jwk: JWK;
  mac: Buffer;
  mac_kid: string;
}

/** A registered key that a secret may be sealed to. */
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

const keyByThumbprint = lookup<KeyRow>(`SELECT * FROM sealing_key WHERE owner || ' ' || thumbprint = ANY($1)`, (row) => `${row.owner} ${row.thumbprint}`);

/** The keys that administrators registered, each for one requester: nobody else's secrets are sealed to it. */
@Injectable()
export class Sealing {
  constructor(@Inject(KEYS) private readonly keys: KeyProvider) {}

  /** Registers a key under a name once. `key-id-taken` where another key has the name. */
  async register(db: Db, { owner, keyId, jwk }: SealingKeyRegistration, by: Principal): Promise<SealingKeyAnswer> {
    const thumbprint = await thumbprintOf(jwk);
    const kid = this.keys.keys('row').current;
    const mac = await this.keys.mac('row', bytesOf(owner, thumbprint, jwk), kid);
    const [row] = await db.query<KeyRow>(
      `INSERT INTO sealing_key AS k (owner, key_id, thumbprint, jwk, registered_by, mac, mac_kid) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (owner, key_id) DO UPDATE SET key_id = excluded.key_id RETURNING thumbprint`,
      [owner, keyId, thumbprint, JSON.stringify(jwk), JSON.stringify(by), mac, kid],
    );
    if (row?.thumbprint !== thumbprint) throw conflict('key-id-taken', 'Another key has this name.', 'Choose another keyId.');
    return { owner, keyId, thumbprint };
  }

  async list(db: Db): Promise<SealingKeyAnswer[]> {
    const rows = await db.query<KeyRow>('SELECT * FROM sealing_key ORDER BY owner, key_id');
    return rows.map(({ owner, key_id, thumbprint }) => ({ owner, keyId: key_id, thumbprint }));
  }

  /** The requester's key with the thumbprint that its request is bound to. */
  async keyOf(db: Db, owner: string, thumbprint: string): Promise<SealingKey | undefined> {
    const row = await db.one(keyByThumbprint, `${owner} ${thumbprint}`);
    if (!row || (await calculateJwkThumbprint(row.jwk)) !== thumbprint) return undefined;
    const mac = await this.keys.mac('row', bytesOf(owner, thumbprint, row.jwk as Record<string, unknown>), row.mac_kid);
    return macEquals(mac, row.mac) ? { keyId: row.key_id, jwk: row.jwk } : undefined;
  }
}

/** Compact JWE (RFC 7516), ECDH-ES with A256GCM. The header names key and request, so that one cannot stand for another. */
export async function seal(key: SealingKey, secret: Secret, facts: Sealed): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ ...facts, secret: secret.reveal() }));
  return new CompactEncrypt(payload)
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: key.keyId, typ: 'writ-secret+jwe', request: facts.requestId })
    .encrypt(await importJWK(key.jwk, 'ECDH-ES'));
}

async function thumbprintOf(jwk: Record<string, unknown>): Promise<string> {
  const kind = `${String(jwk.kty)} ${String(jwk.crv)}`;
  if (kind !== 'EC P-256' && kind !== 'OKP X25519') throw invalid([{ pointer: '/jwk', message: 'Only EC P-256 and OKP X25519 keys can be sealed to.' }]);
  if ('d' in jwk) throw invalid([{ pointer: '/jwk/d', message: 'This is a private key. It is compromised now: make a new one and send its public half.' }]);
  try {
    createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    throw invalid([{ pointer: '/jwk', message: 'This is no valid public key.' }]);
  }
  return calculateJwkThumbprint(jwk as JWK);
}

function bytesOf(owner: string, thumbprint: string, jwk: Record<string, unknown>): Buffer {
  return encodeFields('writ/sealing-key/v1', [owner, thumbprint, canonicalJson(jwk)]);
}
