import { decodeBase64, decodeText, encodeBase64 } from './encoding.js';
import { TlogError } from './errors.js';
import { isKeyName, type NoteSignature, type SignatureClaim, type VerifierKey } from './key.js';

/** A signed note (C2SP signed-note): text that ends in a newline, and who signed it. */
export interface Note {
  text: string;
  signatures: NoteSignature[];
}

export interface VerifiedSignature extends SignatureClaim {
  key: VerifierKey;
  signature: NoteSignature;
}

/** Bounds what a parser will look at; both are far above any real note. */
export const maxNoteBytes = 1_000_000;
export const maxNoteSignatures = 100;

/** Formats a note with its signature lines. Throws `note-malformed` where the text cannot be one. */
export function formatNote(note: Note): string {
  requireText(note.text);
  if (note.signatures.length === 0) throw new TlogError('note-malformed', 'a note has at least one signature');
  return `${note.text}\n${note.signatures.map(formatSignature).join('')}`;
}

/** Formats one signature line, newline included. */
export function formatSignature({ name, id, signature }: NoteSignature): string {
  return `— ${name} ${encodeBase64(Buffer.concat([Buffer.from(id, 'hex'), signature]))}\n`;
}

/** Parses a note without judging its signatures. Throws `note-malformed`. */
export function parseNote(input: string | Uint8Array): Note {
  if (input.length > maxNoteBytes) throw new TlogError('note-malformed', 'note is too long');
  const message = decodeText(input, 'note-malformed');
  const separator = message.lastIndexOf('\n\n');
  if (separator < 0) throw new TlogError('note-malformed', 'no empty line before the signatures');
  const text = message.slice(0, separator + 1);
  requireText(text);
  return { text, signatures: parseSignatures(message.slice(separator + 2)) };
}

/** Parses one or more signature lines, as a witness answers them. Throws `note-malformed`. */
export function parseSignatures(block: string): NoteSignature[] {
  if (!block.endsWith('\n')) throw new TlogError('note-malformed', 'a signature line ends in a newline');
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > maxNoteSignatures) throw new TlogError('note-malformed', 'too many signatures');
  return lines.map(parseSignature);
}

/**
 * Verifies all signatures made by `keys` and returns them in the note's order. Signatures of unknown keys are
 * ignored; a known key's signature that fails condemns the whole note. Throws `signature-invalid`, `key-ambiguous`.
 */
export function verifyNote(note: Note, keys: readonly VerifierKey[]): VerifiedSignature[] {
  const verified: VerifiedSignature[] = [];
  for (const signature of note.signatures) {
    const [key, ...others] = keys.filter(({ name, id }) => name === signature.name && id === signature.id);
    if (!key) continue;
    if (others.some((other) => other.toString() !== key.toString())) {
      throw new TlogError('key-ambiguous', `two keys are called ${key.name}+${key.id}`);
    }
    const claim = key.verify(note.text, signature.signature);
    if (!claim) throw new TlogError('signature-invalid', `the signature of ${key.name}+${key.id} is not valid`);
    verified.push({ ...claim, key, signature });
  }
  return verified;
}

function parseSignature(line: string): NoteSignature {
  const parts = line.split(' ');
  const [dash, name, encoded] = parts;
  if (parts.length !== 3 || dash !== '—' || !isKeyName(name!)) {
    throw new TlogError('note-malformed', 'a signature line is an em dash, a key name and base64');
  }
  const bytes = decodeBase64(encoded!);
  if (bytes.length < 5) throw new TlogError('note-malformed', 'a signature has a key id and at least one byte');
  return { name: name!, id: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) };
}

function requireText(text: string): void {
  if (!text.endsWith('\n') || !text.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(text)) {
    throw new TlogError('note-malformed', 'text is UTF-8 without control characters and ends in a newline');
  }
}
