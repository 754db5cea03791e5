import { decodeHash } from '@writ/tlog';
import type { SignRequest } from './decide.js';

/** More hashes than any tree of 2^63 entries can need. */
const maxProofHashes = 63;

/** Parses `{"size": 70000, "root": "<base64>", "proof": ["<base64>", …]}`; undefined where it is anything else. */
export function parseSignRequest(body: string): SignRequest | undefined {
  try {
    const { size, root, proof, ...rest } = JSON.parse(body) as Record<string, unknown>;
    if (Object.keys(rest).length > 0) return undefined;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
    if (!Array.isArray(proof) || proof.length > maxProofHashes) return undefined;
    return { size, root: hashOf(root), proof: proof.map(hashOf) };
  } catch {
    return undefined;
  }
}

function hashOf(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new TypeError('not a string');
  return decodeHash(value);
}
