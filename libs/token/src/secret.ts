import { crc32, base62Digits, base62OfUint32, base62OfBytes, base62Value } from './base62.js';

/**
 * The secret string that proves a right: `writ_<env>_` + 43 base62 characters (32 random bytes) +
 * 6 base62 characters of CRC-32 over all before them. The checksum lets scanners and gateways refuse
 * junk without a look-up; it authenticates nothing. Underscores make a double-click select the whole.
 */
const prefix = 'writ_';
const randomLength = 32;
const bodyLength = 43;
const checksumLength = 6;
const tailLength = bodyLength + checksumLength;

/** The longest environment name a secret may carry; keeps every secret within 71 characters. */
export const maxEnvironmentLength = 16;
const minLength = prefix.length + 1 + 1 + tailLength;
const maxLength = prefix.length + maxEnvironmentLength + 1 + tailLength;

/** Why a text is no secret; every one of them is the code MALFORMED to a gateway. */
export type MalformedReason = 'not-a-string' | 'wrong-length' | 'wrong-prefix' | 'wrong-environment' | 'wrong-alphabet' | 'wrong-checksum';

export type Parsed = { readonly ok: true; readonly environment: string } | { readonly ok: false; readonly reason: MalformedReason };

// Refusals are shared objects: a flood of junk allocates nothing.
const refusals = Object.fromEntries(
  (['not-a-string', 'wrong-length', 'wrong-prefix', 'wrong-environment', 'wrong-alphabet', 'wrong-checksum'] as const)
    .map((reason) => [reason, Object.freeze({ ok: false as const, reason })]),
) as { readonly [R in MalformedReason]: Parsed };

/**
 * Holds a plaintext secret so that no log, template, JSON body or debugger shows it by accident:
 * every implicit conversion says `[secret]`; only `reveal()` gives the text.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Returns the plaintext. The caller becomes responsible for where it goes. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [Symbol.toPrimitive](): string {
    return redacted;
  }

  /** Node's `util.inspect`, and so the console and assertion messages, show the same. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return redacted;
  }
}

/** What stands where a secret stood. */
export const redacted = '[secret]';

/**
 * Makes the secret of 32 random bytes; the caller brings the randomness (a CSPRNG's, never reused).
 * Distinct bytes give distinct secrets.
 * @throws RangeError when `random` is not 32 bytes or `environment` not 1 to 16 of `[a-z0-9]`.
 */
export function mint(environment: string, random: Uint8Array): Secret {
  if (random.length !== randomLength) throw new RangeError(`a secret takes ${randomLength} random bytes, got ${random.length}`);
  if (!environmentPattern.test(environment)) throw new RangeError('an environment is 1 to 16 of a-z and 0-9');
  const text = `${prefix}${environment}_${base62OfBytes(random, bodyLength)}`;
  return new Secret(text + base62OfUint32(crc32(text, text.length), checksumLength));
}

const environmentPattern = /^[a-z0-9]{1,16}$/;

/**
 * Tells whether a text has the form of a secret, and its environment. Total: takes anything, never
 * throws, looks at no more than 71 characters, and echoes nothing of what it was given.
 */
export function parse(text: unknown): Parsed {
  if (typeof text !== 'string') return refusals['not-a-string'];
  const length = text.length;
  if (length < minLength || length > maxLength) return refusals['wrong-length'];
  if (!text.startsWith(prefix)) return refusals['wrong-prefix'];
  const separator = length - tailLength - 1;
  if (text.charCodeAt(separator) !== 0x5f || !isEnvironment(text, separator)) return refusals['wrong-environment'];
  for (let i = separator + 1; i < length; i++) if (base62Value(text.charCodeAt(i)) === notBase62) return refusals['wrong-alphabet'];
  if (crc32(text, length - checksumLength) !== checksumOf(text)) return refusals['wrong-checksum'];
  return { ok: true, environment: text.slice(prefix.length, separator) };
}

const notBase62 = 255;

function isEnvironment(text: string, end: number): boolean {
  for (let i = prefix.length; i < end; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39))) return false;
  }
  return true;
}

function checksumOf(text: string): number {
  let value = 0;
  for (let i = text.length - checksumLength; i < text.length; i++) value = value * 62 + base62Value(text.charCodeAt(i));
  return value;
}

/**
 * Matches what has the shape of a whole secret; scanners confirm a hit with `parse`. Bounded
 * repetitions only, so matching is linear in the text. Stateless: build a global copy to iterate.
 */
export const secretPattern = new RegExp(`${prefix}[a-z0-9]{1,${maxEnvironmentLength}}_[${base62Digits}]{${tailLength}}`);

/** Yields every well-formed secret in a text with its place, checksum confirmed. */
export function* findSecrets(text: string): Generator<{ readonly index: number; readonly secret: Secret }> {
  for (const match of text.matchAll(new RegExp(secretPattern, 'g'))) {
    if (parse(match[0]).ok) yield { index: match.index, secret: new Secret(match[0]) };
  }
}

// Wider than secretPattern on purpose: half a secret, or one with a typo, is still nobody's to read.
// The run includes the underscore, or a second secret pasted right behind would lose only its prefix.
const leakPattern = new RegExp(`${prefix}[a-z0-9]{1,${maxEnvironmentLength}}_[_${base62Digits}]{8,}`, 'g');

/** Replaces every secret in a text, whole, damaged or truncated, by `[secret]`. Idempotent. */
export function redactSecrets(text: string): string {
  return text.includes(prefix) ? text.replace(leakPattern, redacted) : text;
}
