import { sameHash, verifyConsistency } from '@writ/tlog';

/** A tree by its size and root; of the signer's, the largest it may ever have signed. */
export interface Head {
  size: number;
  root: Uint8Array;
}

export interface SignRequest extends Head {
  /** Consistency proof from the signer's head to this one. */
  proof: Uint8Array[];
}

export type RefusalCode = 'head-behind' | 'head-forked' | 'head-unproven';

export type Decision =
  /** The same head again: sign again, Ed25519 gives the same bytes. */
  | { outcome: 'repeat' }
  /** Record this head durably, then sign it. */
  | { outcome: 'advance'; head: Head }
  | { outcome: 'refuse'; code: RefusalCode };

/** Decides what may be signed: only the current head, or one that is proven to extend it. */
export function decide(current: Head, request: SignRequest): Decision {
  const { size, root, proof } = request;
  if (size < current.size) return { outcome: 'refuse', code: 'head-behind' };
  if (size === current.size) {
    if (!sameHash(root, current.root)) return { outcome: 'refuse', code: 'head-forked' };
    return proof.length === 0 ? { outcome: 'repeat' } : { outcome: 'refuse', code: 'head-unproven' };
  }
  // Every tree extends the empty one, so the first head needs no proof, and must not bring one.
  const extendsCurrent = current.size === 0
    ? proof.length === 0
    : verifyConsistency(current.size, size, proof, current.root, root);
  return extendsCurrent ? { outcome: 'advance', head: { size, root } } : { outcome: 'refuse', code: 'head-unproven' };
}
