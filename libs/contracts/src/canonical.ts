import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Digest } from './ids.js';

/**
 * Writes a JSON value in the one canonical form of RFC 8785.
 * @throws TypeError for what has no such form: undefined, NaN, infinities, lone surrogates, cycles
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new TypeError('This value has no canonical JSON form.', { cause });
  }
  if (text === undefined) throw new TypeError('This value has no canonical JSON form.');
  return text;
}

/** Names a JSON value by the SHA-256 of its canonical form; equal values have equal digests. */
export function digestOf(value: unknown): Digest {
  return digestOfText(canonicalJson(value));
}

/** Names a text by its SHA-256. */
export function digestOfText(text: string | Uint8Array): Digest {
  return `sha256:${hash('sha256', text, 'hex')}` as Digest;
}
