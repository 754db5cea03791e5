import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

/** What a key is for; a text sealed for one purpose opens for no other. */
export type Purpose = 'session' | 'sign-in' | 'csrf';

const ivBytes = 12;
const tagBytes = 16;

/** A session id or anything else that nobody may guess: 256 bits, in base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** The name that a session is kept under: who reads names cannot make the cookie from one. */
export const nameOf = (sessionId: string): string => createHash('sha256').update(sessionId).digest('base64url');

/**
 * One use's own key, from the console's key and what only the browser brings (HKDF, RFC 5869). So neither a copy of
 * Redis with the key file nor a stolen cookie alone opens a session.
 */
export function keyFor(purpose: Purpose, consoleKey: Buffer, sessionId = ''): Buffer {
  return Buffer.from(hkdfSync('sha256', consoleKey, sessionId, `writ console ${purpose}`, 32));
}

/** AES-256-GCM under a random nonce: nonce, tag and text, in base64url. */
export function seal(key: Buffer, value: unknown): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
}

/** What was sealed under this key; nothing where a bit of it was changed, or the key is another one. */
export function unseal<Value>(key: Buffer, sealed: string): Value | undefined {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < ivBytes + tagBytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes)).setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  try {
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString()) as Value;
  } catch {
    return undefined;
  }
}
