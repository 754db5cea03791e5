import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** What a MAC key is for. A key serves one purpose only. Signing keys are another interface's business. */
export const keyPurposes = ['pepper', 'row', 'state', 'memo'] as const;
export type KeyPurpose = (typeof keyPurposes)[number];

/** Ids of the keys of a purpose: new MACs use `current`; MACs of `retired` keys, newest first, still count. */
export interface KeyRing {
  readonly current: string;
  readonly retired: readonly string[];
}

/**
 * HMAC-SHA-256 keys behind a driver: in memory (from files), PKCS#11, a cloud KMS, or the transit
 * engine of Vault or OpenBao. No driver hands out key material. Rotation adds a key as `current` and
 * keeps the old one retired for as long as the longest-lived thing made with it.
 */
export interface KeyProvider {
  /** Names the live keys of a purpose, from memory: drivers refresh in the background. */
  keys(purpose: KeyPurpose): KeyRing;
  /** The pepper ring: a presented secret is tried under `current` first, then under each retired one. */
  peppers(): KeyRing;
  /**
   * Computes HMAC-SHA-256 (32 bytes) under `kid`, or under the current key of the purpose.
   * @throws UnknownKeyError for a key that the purpose does not have.
   */
  mac(purpose: KeyPurpose, data: Uint8Array, kid?: string): Promise<Buffer>;
  /** The same without a promise; only drivers that hold keys in memory have it. */
  readonly macSync?: (purpose: KeyPurpose, data: Uint8Array, kid?: string) => Buffer;
}

/** A MAC names a key that this provider does not have: dropped too early, or made elsewhere. */
export class UnknownKeyError extends Error {
  readonly code = 'unknown-key';

  constructor(readonly purpose: KeyPurpose, readonly kid: string) {
    super(`no ${purpose} key ${kid}; add it to the key ring as a retired key`);
  }
}

/** Raw key material of one purpose. Keys are 32 to 64 bytes. */
export interface KeyMaterial {
  readonly current: { readonly kid: string; readonly key: Uint8Array };
  readonly retired?: readonly { readonly kid: string; readonly key: Uint8Array }[];
}

type Rings = Readonly<Record<KeyPurpose, { readonly ring: KeyRing; readonly keys: ReadonlyMap<string, KeyObject> }>>;

/**
 * The in-memory driver. Copies the material, so the caller can wipe its own.
 * @throws RangeError for a key under 32 or over 64 bytes, a repeated kid, or one key serving twice.
 */
export class InMemoryKeys implements KeyProvider {
  readonly #rings: Rings;

  constructor(material: Readonly<Record<KeyPurpose, KeyMaterial>>) {
    const seen: KeyObject[] = [];
    const rings = {} as Record<KeyPurpose, Rings[KeyPurpose]>;
    for (const purpose of keyPurposes) {
      const all = [material[purpose].current, ...(material[purpose].retired ?? [])];
      const keys = new Map<string, KeyObject>();
      for (const { kid, key } of all) {
        if (key.length < 32 || key.length > 64) throw new RangeError(`${purpose} key ${kid} has ${key.length} bytes; it takes 32 to 64`);
        const object = createSecretKey(key);
        if (keys.has(kid)) throw new RangeError(`${purpose} key ${kid} is there twice`);
        if (seen.some((other) => other.equals(object))) throw new RangeError(`${purpose} key ${kid} serves twice; every key has one purpose`);
        seen.push(object);
        keys.set(kid, object);
      }
      rings[purpose] = { ring: { current: all[0]!.kid, retired: all.slice(1).map(({ kid }) => kid) }, keys };
    }
    this.#rings = rings;
  }

  keys(purpose: KeyPurpose): KeyRing {
    return this.#rings[purpose].ring;
  }

  peppers(): KeyRing {
    return this.keys('pepper');
  }

  async mac(purpose: KeyPurpose, data: Uint8Array, kid?: string): Promise<Buffer> {
    return this.macSync(purpose, data, kid);
  }

  macSync(purpose: KeyPurpose, data: Uint8Array, kid: string = this.keys(purpose).current): Buffer {
    const key = this.#rings[purpose].keys.get(kid);
    if (!key) throw new UnknownKeyError(purpose, kid);
    return createHmac('sha256', key).update(data).digest();
  }
}
