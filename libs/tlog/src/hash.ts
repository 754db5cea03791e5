import { hash } from 'node:crypto';
import { TlogError } from './errors.js';

export const hashSize = 32;

// One-shot hashing into a binary (latin1) string is about three times as fast as createHash or a Buffer result,
// because no object outlives the call. The scratch buffers are safe to share: nothing here awaits.
const nodeInput = Buffer.alloc(1 + 2 * hashSize, 1);
const leafInput = Buffer.alloc(1 + 65_535);

/** The root of a tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1). */
export const emptyRoot: Buffer = hash('sha256', '', 'buffer');

/** Hashes one entry: SHA-256(0x00 ‖ data), RFC 6962 section 2.1. */
export function hashLeaf(data: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(hashSize);
  hashLeafInto(data, out, 0);
  return out;
}

/** Hashes two 32-byte children: SHA-256(0x01 ‖ left ‖ right). Throws `hash-malformed`. */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  requireHash(left);
  requireHash(right);
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + hashSize);
  return Buffer.from(hash('sha256', nodeInput, 'binary'), 'latin1');
}

/** Hashes entries in order into one flat buffer of 32 bytes each, the form `TreeBuilder` takes. */
export function hashLeaves(entries: readonly Uint8Array[]): Buffer {
  const out = Buffer.allocUnsafe(entries.length * hashSize);
  for (let i = 0; i < entries.length; i++) hashLeafInto(entries[i]!, out, i * hashSize);
  return out;
}

function hashLeafInto(data: Uint8Array, out: Buffer, offset: number): void {
  if (data.length < leafInput.length) {
    leafInput.set(data, 1);
    out.write(hash('sha256', leafInput.subarray(0, data.length + 1), 'binary'), offset, hashSize, 'latin1');
  } else {
    const input = Buffer.concat([Buffer.of(0), data]);
    out.write(hash('sha256', input, 'binary'), offset, hashSize, 'latin1');
  }
}

/**
 * Folds flat sibling hashes to the root above them, by the split rule of RFC 6962: pairs from the left, an odd
 * last one carried up unchanged. The last may stand for an incomplete subtree. Empty input gives `emptyRoot`.
 */
export function foldHashes(hashes: Uint8Array): Buffer {
  if (hashes.length % hashSize !== 0) throw new TlogError('hash-malformed', 'not a whole number of hashes');
  if (hashes.length === 0) return Buffer.from(emptyRoot);
  const work = Buffer.from(hashes);
  for (let count = hashes.length / hashSize; count > 1; count = Math.ceil(count / 2)) {
    const pairs = Math.floor(count / 2);
    for (let i = 0; i < pairs; i++) {
      work.copy(nodeInput, 1, i * 64, i * 64 + 64);
      work.write(hash('sha256', nodeInput, 'binary'), i * hashSize, hashSize, 'latin1');
    }
    if (count % 2 === 1) work.copyWithin(pairs * hashSize, (count - 1) * hashSize, count * hashSize);
  }
  return Buffer.from(work.subarray(0, hashSize));
}

export function isHash(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === hashSize;
}

/** Compares two hashes; anything that is not 32 bytes equals nothing, so empty values never pass for each other. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return isHash(a) && isHash(b) && Buffer.compare(a, b) === 0;
}

export function requireHash(value: Uint8Array): void {
  if (!isHash(value)) throw new TlogError('hash-malformed', 'a hash has 32 bytes');
}
