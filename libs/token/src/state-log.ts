import { createHmac, type KeyObject } from 'node:crypto';
import { encodeFields } from './encode.js';

/**
 * Kinds of change that the state log records. `rotate` says that a successor was delivered, so that a token's older
 * secrets have an end now. `retire` ends one secret of a token. `epoch` ends every token of an owner, or of everybody where
 * it names none, that was issued before it.
 */
export type StateKind = 'issue' | 'rotate' | 'retire' | 'suspend' | 'resume' | 'revoke' | 'expire' | 'epoch';

/** One entry of the issuer's append-only state log. `seq` has no gaps; its order is commit order. */
export interface StateEntry {
  readonly seq: number;
  readonly kind: StateKind;
  /** Database time, RFC 3339 UTC. */
  readonly at: string;
  /** Why, kebab-case. */
  readonly reasonCode: string;
  readonly tokenId?: string;
  /** Which secret of the token: 1 is the first, each rotation adds one. Absent = all of them. */
  readonly generation?: number;
  readonly ownerId?: string;
  readonly requestId?: string;
  /** For `epoch`: its own place. */
  readonly epoch?: number;
}

/** What the first entry's MAC chains from. */
export const chainStart: Uint8Array = new Uint8Array(32);

/** The bytes one link of the chain covers, for key drivers that compute the MAC elsewhere. */
export function chainBytes(previous: Uint8Array, entry: StateEntry): Buffer {
  if (previous.length !== 32) throw new RangeError('a chain value is 32 bytes');
  return encodeFields('writ/state/v1', [
    previous, entry.seq, entry.kind, entry.at, entry.reasonCode, entry.tokenId, entry.generation,
    entry.ownerId, entry.requestId, entry.epoch,
  ]);
}

/**
 * HMAC-SHA-256 that binds an entry to all before it. Whoever holds the last value outside the
 * database notices an edited, removed, reordered or truncated log; only the key's holder can extend it.
 */
export function chainMac(key: KeyObject | Uint8Array, previous: Uint8Array, entry: StateEntry): Buffer {
  return createHmac('sha256', key).update(chainBytes(previous, entry)).digest();
}
