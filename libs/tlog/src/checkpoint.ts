import { decodeHash, encodeBase64, isSize, parseDecimal } from './encoding.js';
import { TlogError } from './errors.js';
import { requireHash } from './hash.js';
import { isKeyName, keyTypes, type SignerKey, type VerifierKey } from './key.js';
import { formatNote, parseNote, verifyNote, type Note } from './note.js';

/** A tree head (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** The log's identity, equal to the name of its key. */
  origin: string;
  size: number;
  root: Uint8Array;
}

/** A checkpoint its log has signed, with the note it came in. */
export interface SignedCheckpoint extends Checkpoint {
  note: Note;
}

/** Formats the text to sign. Never writes extension lines: not every cosignature type covers them. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isKeyName(origin)) throw new TlogError('checkpoint-malformed', 'an origin is a valid key name');
  if (!isSize(size)) throw new TlogError('size-malformed', 'a size is a non-negative safe integer');
  requireHash(root);
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** Parses a checkpoint's text. Extension lines of other logs are allowed and ignored. Throws `checkpoint-malformed`. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  const [origin, size, root] = lines;
  if (lines.length < 4 || lines.pop() !== '' || lines.includes('')) {
    throw new TlogError('checkpoint-malformed', 'a checkpoint is an origin, a size and a root, one per line');
  }
  return { origin: origin!, size: parseDecimal(size!, 'checkpoint-malformed'), root: decodeHash(root!) };
}

/**
 * Signs a checkpoint as its log. The caller must have made the head durable and proven it consistent with every
 * head signed before: two signed heads that disagree can never be taken back.
 */
export function signCheckpoint(checkpoint: Checkpoint, key: SignerKey): string {
  if (checkpoint.origin !== key.verifier.name) {
    throw new TlogError('checkpoint-malformed', 'the origin is the name of the signing key');
  }
  const text = formatCheckpoint(checkpoint);
  return formatNote({ text, signatures: [key.sign(text)] });
}

/**
 * Parses a note and returns its checkpoint when a given log key named like the origin signed it.
 * Throws `checkpoint-unsigned` when none did, `signature-invalid` when a known signature fails.
 */
export function openCheckpoint(input: string | Uint8Array, logKeys: readonly VerifierKey[]): SignedCheckpoint {
  const note = parseNote(input);
  const checkpoint = parseCheckpoint(note.text);
  if (!signedByLog(note, checkpoint.origin, logKeys)) {
    throw new TlogError('checkpoint-unsigned', `no known log key signed the checkpoint of ${checkpoint.origin}`);
  }
  return { ...checkpoint, note };
}

/** Returns the log key that signed, if one of these did. Throws `signature-invalid`. */
export function signedByLog(note: Note, origin: string, keys: readonly VerifierKey[]): VerifierKey | undefined {
  const own = keys.filter((key) => key.name === origin && key.type === keyTypes.ed25519);
  return verifyNote(note, own)[0]?.key;
}

/** Cosigns a checkpoint note as a witness and returns the signature line to add to it. */
export function cosignCheckpoint(note: Note, key: SignerKey, timeSeconds: number): ReturnType<SignerKey['cosign']> {
  parseCheckpoint(note.text);
  return key.cosign(note.text, timeSeconds);
}

/** Adds signatures to a note; one that is already there is not repeated. */
export function addSignatures(note: Note, signatures: Note['signatures']): Note {
  const merged = [...note.signatures];
  for (const signature of signatures) {
    const known = merged.some((other) => other.name === signature.name && other.id === signature.id
      && Buffer.compare(other.signature, signature.signature) === 0);
    if (!known) merged.push(signature);
  }
  return { text: note.text, signatures: merged };
}
