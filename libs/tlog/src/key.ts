import {
  createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, verify, type KeyObject,
} from 'node:crypto';
import { decodeBase64, encodeBase64, isSize } from './encoding.js';
import { TlogError } from './errors.js';

/** Signature types of C2SP signed-note that this package signs and verifies. */
export const keyTypes = { ed25519: 0x01, cosignature: 0x04 } as const;
export type KeyType = (typeof keyTypes)[keyof typeof keyTypes];

/** One signature line of a note; `signature` is what follows the four bytes of key id. */
export interface NoteSignature {
  name: string;
  /** Eight lower-case hex digits. */
  id: string;
  signature: Uint8Array;
}

/** What a valid signature says. `timeSeconds` (Unix) is there for cosignatures only. */
export interface SignatureClaim {
  timeSeconds?: number;
}

const cosignatureTimeBytes = 8;
const ed25519SpkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const ed25519Pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A public key with the name it signs under. Immutable. */
export class VerifierKey {
  readonly id: string;
  readonly #key: KeyObject;

  /** Makes a key from 32 raw Ed25519 bytes. Throws `key-malformed`. */
  constructor(readonly name: string, readonly type: KeyType, readonly publicKey: Uint8Array) {
    requireKeyName(name);
    if (publicKey.length !== 32) throw new TlogError('key-malformed', 'an Ed25519 public key has 32 bytes');
    this.id = keyId(name, type, publicKey);
    this.#key = createPublicKey({ key: Buffer.concat([ed25519SpkiPrefix, publicKey]), format: 'der', type: 'spki' });
  }

  /** Parses a vkey, `name+id+base64`. Throws `key-malformed`, `key-type-unsupported`. */
  static parse(vkey: string): VerifierKey {
    const { name, id, type, bytes } = splitKey(vkey);
    const key = new VerifierKey(name, type, bytes);
    if (key.id !== id) throw new TlogError('key-malformed', 'the key id does not match the key');
    return key;
  }

  /** Formats the vkey. */
  toString(): string {
    return `${this.name}+${this.id}+${encodeBase64(Buffer.concat([Buffer.of(this.type), this.publicKey]))}`;
  }

  /** Checks a signature over a note's text; undefined when it is not valid. */
  verify(text: string, signature: Uint8Array): SignatureClaim | undefined {
    if (this.type === keyTypes.ed25519) {
      return signature.length === 64 && verify(null, Buffer.from(text), this.#key, signature) ? {} : undefined;
    }
    if (signature.length !== cosignatureTimeBytes + 64) return undefined;
    const time = Buffer.from(signature).readBigUInt64BE();
    // The format allows 2^63-1; beyond 2^53-1 (the year 285,428,751) no honest clock has ever signed.
    if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const message = cosignedMessage(text, Number(time));
    return verify(null, message, this.#key, signature.subarray(cosignatureTimeBytes))
      ? { timeSeconds: Number(time) }
      : undefined;
  }
}

/** A private key. It shows itself as its public half wherever it is printed; only `exportSecret` gives it away. */
export class SignerKey {
  readonly verifier: VerifierKey;
  readonly #seed: Buffer;
  readonly #key: KeyObject;

  /** Makes a key from a 32-byte Ed25519 seed. Throws `key-malformed`. */
  constructor(name: string, type: KeyType, seed: Uint8Array) {
    if (seed.length !== 32) throw new TlogError('key-malformed', 'an Ed25519 seed has 32 bytes');
    this.#seed = Buffer.from(seed);
    this.#key = createPrivateKey({ key: Buffer.concat([ed25519Pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.verifier = new VerifierKey(name, type, spki.subarray(ed25519SpkiPrefix.length));
  }

  /** Draws a new key from the system's random source. */
  static generate(name: string, type: KeyType): SignerKey {
    const pkcs8 = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
    return new SignerKey(name, type, pkcs8.subarray(-32));
  }

  /** Parses `PRIVATE+KEY+name+id+base64`. Errors never repeat the input. Throws `key-malformed`. */
  static parse(text: string): SignerKey {
    const prefix = 'PRIVATE+KEY+';
    if (!text.startsWith(prefix)) throw new TlogError('key-malformed', `a signer key starts with ${prefix}`);
    const { name, id, type, bytes } = splitKey(text.slice(prefix.length));
    const key = new SignerKey(name, type, bytes);
    if (key.verifier.id !== id) throw new TlogError('key-malformed', 'the key id does not match the key');
    return key;
  }

  /** Returns the secret as `PRIVATE+KEY+name+id+base64`, for a file of mode 600. */
  exportSecret(): string {
    const { name, id, type } = this.verifier;
    return `PRIVATE+KEY+${name}+${id}+${encodeBase64(Buffer.concat([Buffer.of(type), this.#seed]))}`;
  }

  toString(): string {
    return this.verifier.toString();
  }

  /** Signs a note's text. Deterministic. Throws `key-type-mismatch` for a cosigner's key. */
  sign(text: string): NoteSignature {
    this.#require(keyTypes.ed25519);
    return this.#line(sign(null, Buffer.from(text), this.#key));
  }

  /**
   * Cosigns a checkpoint's text at a time in Unix seconds (C2SP tlog-cosignature v1). The statement is "this is the
   * largest consistent tree I have seen": record it durably first. Throws `key-type-mismatch` for a log's key, `time-malformed`.
   */
  cosign(text: string, timeSeconds: number): NoteSignature {
    this.#require(keyTypes.cosignature);
    if (!isSize(timeSeconds)) throw new TlogError('time-malformed', 'a time is in whole Unix seconds');
    const time = Buffer.alloc(cosignatureTimeBytes);
    time.writeBigUInt64BE(BigInt(timeSeconds));
    return this.#line(Buffer.concat([time, sign(null, cosignedMessage(text, timeSeconds), this.#key)]));
  }

  #line(signature: Uint8Array): NoteSignature {
    return { name: this.verifier.name, id: this.verifier.id, signature };
  }

  #require(type: KeyType): void {
    if (this.verifier.type !== type) {
      throw new TlogError('key-type-mismatch', 'logs sign with type 0x01, witnesses cosign with type 0x04');
    }
  }
}

/** True for a name a note may be signed under: not empty, no space of any alphabet, no plus, no control character. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !/[\p{White_Space}+\u0000-\u001f]/u.test(name);
}

function requireKeyName(name: string): void {
  if (!isKeyName(name)) throw new TlogError('key-malformed', 'a key name has no spaces, plus signs or control characters');
}

function keyId(name: string, type: number, publicKey: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]), 'hex').slice(0, 8);
}

function cosignedMessage(text: string, timeSeconds: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}

/** Splits at the first two plus signs only: base64 may contain more of them. */
function splitKey(text: string): { name: string; id: string; type: KeyType; bytes: Buffer } {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (!match) throw new TlogError('key-malformed', 'a key is name+id+base64');
  const [, name, id, encoded] = match as unknown as [string, string, string, string];
  const bytes = decodeBase64(encoded);
  const type = Object.values(keyTypes).find((known) => known === bytes[0]);
  if (!type) throw new TlogError('key-type-unsupported', 'only types 0x01 (Ed25519) and 0x04 (cosignature) are known');
  return { name, id, type, bytes: bytes.subarray(1) };
}
