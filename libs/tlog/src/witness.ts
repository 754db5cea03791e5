import { parseCheckpoint, signedByLog, type SignedCheckpoint } from './checkpoint.js';
import { decodeHash, decodeText, encodeBase64, parseDecimal } from './encoding.js';
import { TlogError } from './errors.js';
import { emptyRoot, sameHash } from './hash.js';
import type { VerifierKey } from './key.js';
import { parseNote } from './note.js';
import { verifyConsistency } from './proof.js';

/** The body of add-checkpoint (C2SP tlog-witness). */
export interface AddCheckpoint {
  oldSize: number;
  /** Consistency proof from `oldSize`, at most 63 hashes; empty when `oldSize` is 0. */
  proof: Uint8Array[];
  /** The checkpoint note, verbatim. */
  checkpoint: string;
}

/** What a witness remembers per origin. */
export interface WitnessedHead {
  size: number;
  root: Uint8Array;
}

/** What a witness answers over HTTP when it does not cosign. */
export interface WitnessRefusal {
  status: 400 | 403 | 404 | 409 | 422;
  contentType: string;
  body: string;
}

export type WitnessVerdict =
  | { outcome: 'cosign'; checkpoint: SignedCheckpoint }
  | { outcome: 'refuse'; refusal: WitnessRefusal };

export const sizeContentType = 'text/x.tlog.size';
const maxProofHashes = 63;

export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${encodeBase64(hash)}\n`).join('')}\n${checkpoint}`;
}

/** Parses the body of add-checkpoint. Throws `request-malformed`, or the code of the malformed part. */
export function parseAddCheckpoint(input: string | Uint8Array): AddCheckpoint {
  const text = decodeText(input, 'request-malformed');
  const separator = text.indexOf('\n\n');
  if (separator < 0) throw new TlogError('request-malformed', 'no empty line before the checkpoint');
  const [old, ...hashes] = text.slice(0, separator).split('\n');
  if (!old!.startsWith('old ')) throw new TlogError('request-malformed', 'the first line is "old" and a size');
  if (hashes.length > maxProofHashes) throw new TlogError('request-malformed', `more than ${maxProofHashes} hashes`);
  const oldSize = parseDecimal(old!.slice('old '.length), 'request-malformed');
  return { oldSize, proof: hashes.map(decodeHash), checkpoint: text.slice(separator + 2) };
}

/**
 * Decides an add-checkpoint request by what the witness remembers of the origin. On `cosign` the caller stores the
 * head on condition that the remembered one is unchanged, durably, and only then signs: otherwise two requests
 * at once roll the memory back. `headOf` is asked for the origin the checkpoint names.
 */
export function judgeAddCheckpoint(
  body: string | Uint8Array,
  keysOf: (origin: string) => readonly VerifierKey[] | undefined,
  headOf: (origin: string) => WitnessedHead | undefined,
): WitnessVerdict {
  let opened: OpenedRequest;
  try {
    opened = openRequest(body);
  } catch (error) {
    if (error instanceof TlogError) return refuse(400, error.message);
    throw error;
  }
  const { request, checkpoint } = opened;
  const keys = keysOf(checkpoint.origin);
  if (!keys) return refuse(404, 'unknown log');
  if (!isSignedBy(checkpoint, keys)) return refuse(403, 'no valid signature by a trusted key of this log');
  if (request.oldSize > checkpoint.size) return refuse(400, 'old size is above the size of the checkpoint');
  const head = headOf(checkpoint.origin);
  const seen = head?.size ?? 0;
  if (request.oldSize !== seen) {
    return { outcome: 'refuse', refusal: { status: 409, contentType: sizeContentType, body: `${seen}\n` } };
  }
  if (head && seen > 0) {
    return verifyConsistency(seen, checkpoint.size, request.proof, head.root, checkpoint.root)
      ? { outcome: 'cosign', checkpoint }
      : refuse(422, 'the tree is not proven to extend the one seen before');
  }
  if (request.proof.length > 0) return refuse(422, 'a proof from size 0 is empty');
  if (checkpoint.size === 0 && !sameHash(checkpoint.root, emptyRoot)) return refuse(422, 'not the root of an empty tree');
  return { outcome: 'cosign', checkpoint };
}

interface OpenedRequest {
  request: AddCheckpoint;
  checkpoint: SignedCheckpoint;
}

function openRequest(body: string | Uint8Array): OpenedRequest {
  const request = parseAddCheckpoint(body);
  const note = parseNote(request.checkpoint);
  return { request, checkpoint: { ...parseCheckpoint(note.text), note } };
}

function isSignedBy(checkpoint: SignedCheckpoint, keys: readonly VerifierKey[]): boolean {
  try {
    return signedByLog(checkpoint.note, checkpoint.origin, keys) !== undefined;
  } catch (error) {
    if (error instanceof TlogError && error.code === 'signature-invalid') return false;
    throw error;
  }
}

function refuse(status: WitnessRefusal['status'], body: string): WitnessVerdict {
  return { outcome: 'refuse', refusal: { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` } };
}
