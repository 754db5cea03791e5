import { randomFillSync } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { innerDigest, mint, type KeyProvider, type Secret } from '@writ/token';
import type { Tx } from '@writ/messaging';
import { inSlices } from '@writ/service';
import { KEYS } from '../keys.store.js';
import { StateLog } from '../state/state-log.store.js';
import { seal, type SealingKey } from '../delivery/sealing.store.js';
import { sealOf, type SealedFacts } from './token.row.js';

interface ToSeal {
  tx: Tx<'issuer'>;
  token: SealedFacts;
  generation: number;
  key: SealingKey;
}

/** Makes secrets. What is stored verifies a secret and is of no use to whoever reads it. */
@Injectable()
export class Secrets {
  private readonly seals = inSlices(async ({ tx, token, generation, key }: ToSeal) => {
    const secret = await this.store(tx, token, generation, 0);
    return seal(key, secret, { tokenId: token.token_id, requestId: token.request_id, generation, expiresAt: token.expires_at.toISOString() });
  });

  constructor(@Inject(KEYS) private readonly keys: KeyProvider, private readonly log: StateLog) {}

  /**
   * Mints the secret of a generation. The token must be locked.
   * @param again in the place of one that got lost, which is dead from the same commit on
   */
  async mint(tx: Tx<'issuer'>, token: SealedFacts, generation: number, again: boolean): Promise<{ minted: Secret; killedSeq?: number }> {
    const killedSeq = again ? (await this.log.append(tx.db, { kind: 'retire', reasonCode: 'claimed-again', tokenId: token.token_id, generation })).seq : undefined;
    return { minted: await this.store(tx, token, generation, killedSeq ?? 0), killedSeq };
  }

  /** Mints a secret that nobody sees but the holder of the key. */
  sealed(tx: Tx<'issuer'>, token: SealedFacts, generation: number, key: SealingKey): Promise<string> {
    return this.seals({ tx, token, generation, key });
  }

  private async store(tx: Tx<'issuer'>, token: SealedFacts, generation: number, mintedSeq: number): Promise<Secret> {
    const secret = mintFresh(token.environment);
    const pepperKid = this.keys.peppers().current;
    const macKid = this.keys.keys('row').current;
    const verifier = await this.keys.mac('pepper', innerDigest(secret.reveal()), pepperKid);
    const mac = await sealOf(this.keys, token, macKid, { verifier, generation, minted_seq: String(mintedSeq) });
    tx.db.insert('secret', { verifier, pepper_kid: pepperKid, token_id: token.token_id, generation, minted_seq: mintedSeq, mac, mac_kid: macKid });
    return secret;
  }

  /** All verifiers that a digest may be stored under: one for each live pepper. */
  verifiersOf(digest: Uint8Array): Promise<Buffer[]> {
    const { current, retired } = this.keys.peppers();
    return Promise.all([current, ...retired].map((kid) => this.keys.mac('pepper', digest, kid)));
  }
}

const randomLength = 32;
const pool = Buffer.alloc(64 * randomLength);
let used = pool.length;

/** Makes a secret of randomness that the kernel gave for many at once; what was used is wiped. */
export function mintFresh(environment: string): Secret {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used += randomLength);
  const secret = mint(environment, random);
  random.fill(0);
  return secret;
}
