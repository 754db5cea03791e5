import { createHash } from 'node:crypto';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * Writes a value in the one form that equal values share (RFC 8785): keys ordered by UTF-16 code units, no white
 * space. Members that are undefined are left out. Throws on numbers and strings RFC 8785 cannot carry.
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value as Record<string, Json | undefined>)
      .filter((entry): entry is [string, Json] => entry[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a canonical number is finite');
  if (typeof value === 'string' && !value.isWellFormed()) throw new RangeError('a canonical string is well-formed Unicode');
  return JSON.stringify(value);
}

/** Names a value by what it says: `sha256:` and the hex digest of its canonical form. */
export function digestOf(value: Json): string {
  return digestOfText(canonicalJson(value));
}

/** Digests text that is canonical already. */
export function digestOfText(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
