import { TlogError, type TlogErrorCode } from './errors.js';

/**
 * Decodes RFC 4648 section 4 base64 with padding. Only the canonical spelling is accepted, so that one value
 * has one text and a signed file cannot be respelled.
 */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new TlogError('base64-malformed', 'not canonical base64');
  return bytes;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Decodes one base64 SHA-256 hash of exactly 32 bytes. */
export function decodeHash(text: string): Buffer {
  const bytes = decodeBase64(text);
  if (bytes.length !== 32) throw new TlogError('hash-malformed', `a hash has 32 bytes, not ${bytes.length}`);
  return bytes;
}

/**
 * Parses an ASCII decimal without sign or leading zero. Sizes above 2^53-1 are refused rather than rounded:
 * a tree that large does not exist, a rounded size would be a wrong proof.
 */
export function parseDecimal(text: string, code: TlogErrorCode): number {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) throw new TlogError(code, 'not a canonical decimal number');
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new TlogError(code, 'number above 2^53-1');
  return value;
}

/** Decodes UTF-8 strictly, keeping a byte order mark as the character it is. */
export function decodeText(input: string | Uint8Array, code: TlogErrorCode): string {
  if (typeof input === 'string') {
    if (!input.isWellFormed()) throw new TlogError(code, 'text is not valid Unicode');
    return input;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input);
  } catch (cause) {
    throw new TlogError(code, 'text is not valid UTF-8', { cause });
  }
}

/** True for 0, 1, 2 … 2^53-1: what may be a tree size or an index. */
export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
