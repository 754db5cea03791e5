import { createPublicKey, verify, type KeyObject } from 'node:crypto';

/**
 * The webhook of GitHub's secret-scanning partner programme: a list of finds, signed with ECDSA P-256 and SHA-256 over
 * the raw body (docs.github.com, "Secret scanning partner program"). Others may report alike with keys of their own.
 */

/** Keys by identifier. Superseded ones stay valid until the operator takes them out. */
export type LeakKeys = ReadonlyMap<string, KeyObject>;

/** @throws when the operator's keys are not `{"public_keys":[{"key_identifier","key"}]}` with P-256 keys in PEM */
export function leakKeysOf(document: unknown): LeakKeys {
  const list = (document as { public_keys?: unknown } | null)?.public_keys;
  if (!Array.isArray(list)) throw new Error('WRIT_LEAK_KEYS has no list "public_keys".');
  return new Map(list.map((entry: unknown) => {
    const { key_identifier: id, key } = (entry ?? {}) as { key_identifier?: unknown; key?: unknown };
    if (typeof id !== 'string' || typeof key !== 'string') throw new Error('WRIT_LEAK_KEYS has a key without "key_identifier" or "key".');
    const publicKey = createPublicKey(key);
    if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error(`WRIT_LEAK_KEYS: key ${id} is not on the curve P-256.`);
    return [id, publicKey];
  }));
}

/** Whether the signature, base64 of its ASN.1 form, is of these very bytes. Total: junk is a no. */
export function isSigned(keys: LeakKeys, keyId: unknown, signature: unknown, body: Uint8Array): boolean {
  const key = typeof keyId === 'string' ? keys.get(keyId) : undefined;
  if (!key || typeof signature !== 'string') return false;
  try {
    return verify('sha256', body, key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** One find. Holds the secret itself: it lives as long as the request and goes nowhere. */
export interface Find {
  token: string;
  type: string;
  url: string;
  source: string;
}

/** @returns undefined where the body is no list of finds */
export function findsOf(body: Uint8Array): Find[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const finds = list.map((entry: unknown) => {
    const { token, type, url, source } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
    const text = (value: unknown, most: number) => (typeof value === 'string' ? value.toWellFormed().replaceAll('\u0000', '').slice(0, most) : '');
    return typeof token === 'string' ? { token, type: text(type, 128), url: text(url, 2048), source: text(source, 64) } : undefined;
  });
  return finds.every((find) => find !== undefined) ? finds : undefined;
}

/** The report's channel as a code: `content`, `pull-request-body` and so on. */
export function channelOf({ source }: Find): string {
  const code = source.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^[^a-z]+|-+$/g, '').slice(0, 50);
  return `scan-${code || 'unknown'}`;
}
