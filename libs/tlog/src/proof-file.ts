import { decodeBase64, decodeHash, decodeText, encodeBase64, isSize, parseDecimal } from './encoding.js';
import { TlogError } from './errors.js';
import { parseCheckpoint } from './checkpoint.js';
import { requireHash } from './hash.js';
import { parseNote } from './note.js';
import { evaluatePolicy, type Policy, type PolicyVerdict } from './policy.js';
import { verifyInclusion } from './proof.js';

/** Everything needed to check offline that an entry is logged (C2SP tlog-proof v1, `*.tlog-proof`). */
export interface ProofFile {
  index: number;
  /** At most 63 hashes, the leaf's sibling first. */
  proof: Uint8Array[];
  /** The checkpoint note, verbatim with all its signatures. */
  checkpoint: string;
  /** Data for the application. Nothing signs it: never trust it by itself. */
  extra?: Uint8Array;
}

const header = 'c2sp.org/tlog-proof@v1';
const maxProofHashes = 63;

export function formatProofFile({ index, proof, checkpoint, extra }: ProofFile): string {
  if (!isSize(index)) throw new TlogError('proof-malformed', 'an index is a non-negative safe integer');
  if (proof.length > maxProofHashes) throw new TlogError('proof-malformed', `more than ${maxProofHashes} hashes`);
  proof.forEach(requireHash);
  const lines = [header, ...(extra ? [`extra ${encodeBase64(extra)}`] : []), `index ${index}`, ...proof.map(encodeBase64)];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Parses a proof file; its checkpoint is a well-formed note, its signatures are not judged. Throws `proof-malformed`. */
export function parseProofFile(input: string | Uint8Array): ProofFile {
  const text = decodeText(input, 'proof-malformed');
  const separator = text.indexOf('\n\n');
  if (separator < 0) throw new TlogError('proof-malformed', 'no empty line before the checkpoint');
  const lines = text.slice(0, separator).split('\n');
  if (lines.shift() !== header) throw new TlogError('proof-malformed', `the first line is ${header}`);
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()!.slice('extra '.length)) : undefined;
  const indexLine = lines.shift();
  if (!indexLine?.startsWith('index ')) throw new TlogError('proof-malformed', 'no index line');
  if (lines.length > maxProofHashes) throw new TlogError('proof-malformed', `more than ${maxProofHashes} hashes`);
  const checkpoint = text.slice(separator + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  const index = parseDecimal(indexLine.slice('index '.length), 'proof-malformed');
  return { index, proof: lines.map(decodeHash), checkpoint, ...(extra && { extra }) };
}

/**
 * Verifies that the entry with this leaf hash is in a log the policy accepts, under a checkpoint its quorum has
 * cosigned. Throws `proof-invalid`, `checkpoint-unsigned`, `quorum-not-met`, `signature-invalid`.
 */
export function verifyProofFile(file: ProofFile, leafHash: Uint8Array, policy: Policy): PolicyVerdict {
  const verdict = evaluatePolicy(policy, parseNote(file.checkpoint));
  if (!verdict.log) throw new TlogError('checkpoint-unsigned', 'no log of the policy signed the checkpoint');
  if (!verdict.satisfied) throw new TlogError('quorum-not-met', 'too few witnesses of the policy cosigned the checkpoint');
  const { size, root } = verdict.checkpoint;
  if (!verifyInclusion(file.index, size, leafHash, file.proof, root)) {
    throw new TlogError('proof-invalid', `the proof does not place this entry at index ${file.index}`);
  }
  return verdict;
}
