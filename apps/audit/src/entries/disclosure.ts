import { createCipheriv, createDecipheriv, createSecretKey, hash } from 'node:crypto';

/**
 * Salted disclosures in the form of RFC 9901, section 4.2: the leaf holds the digest, the text lies beside the log and
 * can be shown, field by field, or forgotten. Without its salt a digest says nothing about the value.
 */
export interface Disclosure {
  /** base64url of `[salt, name, value]`. */
  text: string;
  /** base64url of the SHA-256 of `text`; what the leaf holds. */
  digest: string;
}

export const saltBytes = 16;
export const ivBytes = 12;
const tagBytes = 16;
const algorithm = 'aes-256-gcm';

/** Hides a field. The salt must be fresh random bytes for every field of every event. */
export function disclose(salt: Uint8Array, name: string, value: unknown): Disclosure {
  const text = Buffer.from(JSON.stringify([Buffer.from(salt).toString('base64url'), name, value])).toString('base64url');
  return { text, digest: digestOfDisclosure(text) };
}

export function digestOfDisclosure(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** The name and value that a disclosure opens. */
export function opened(text: string): { name: string; value: unknown } {
  const [, name, value] = JSON.parse(Buffer.from(text, 'base64url').toString()) as [string, string, unknown];
  return { name, value };
}

/**
 * Encrypts under a subject's key: iv ‖ ciphertext ‖ tag. Bound to its place, so that boxes cannot be exchanged.
 * A key object costs a third of what raw bytes do: Node 24 finds out that they are no key by an exception.
 */
export function seal(key: Uint8Array, iv: Uint8Array, place: string, plain: string): Buffer {
  const cipher = createCipheriv(algorithm, createSecretKey(key), iv).setAAD(Buffer.from(place));
  return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** Opens a box. @returns undefined where box, key and place do not belong together */
export function unseal(key: Uint8Array, box: Uint8Array, place: string): string | undefined {
  if (box.length < ivBytes + tagBytes) return undefined;
  const end = box.length - tagBytes;
  try {
    const decipher = createDecipheriv(algorithm, createSecretKey(key), box.subarray(0, ivBytes)).setAAD(Buffer.from(place)).setAuthTag(box.subarray(end));
    return Buffer.concat([decipher.update(box.subarray(ivBytes, end)), decipher.final()]).toString();
  } catch {
    return undefined;
  }
}

/** What a box holds. One that does not open counts as gone; that it should be there is for the monitor to say. */
export function readBox<Content>(key: Uint8Array, box: Uint8Array, place: string): Content | undefined {
  const plain = unseal(key, box, place);
  return plain === undefined ? undefined : (JSON.parse(plain) as Content);
}

/** What a box is bound to. */
export function placeOf(kind: 'entry' | 'uses', seq: number): string {
  return `${kind}/${seq}`;
}
