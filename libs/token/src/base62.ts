/** Digits in ASCII order, so that base62 of equal length sorts as the number does. */
export const base62Digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const values = new Uint8Array(128).fill(255);
for (let i = 0; i < 62; i++) values[base62Digits.charCodeAt(i)] = i;

/** The value of a base62 character code, or 255 when it is none. */
export function base62Value(code: number): number {
  return code < 128 ? values[code]! : 255;
}

/** Writes an unsigned number of at most 53 bits in `length` base62 digits, zero-padded on the left. */
export function base62OfUint32(value: number, length: number): string {
  let text = '';
  for (let rest = value, i = 0; i < length; i++, rest = Math.floor(rest / 62)) text = base62Digits[rest % 62]! + text;
  return text;
}

// 62^5 is the largest power whose remainder, shifted by a 16-bit limb, stays an exact double.
const chunkDigits = 5;
const chunkBase = 62 ** chunkDigits;

/** Writes big-endian bytes as one number in `length` base62 digits, zero-padded on the left. */
export function base62OfBytes(bytes: Uint8Array, length: number): string {
  const limbs: number[] = [];
  for (let i = 0; i < bytes.length; i += 2) limbs.push((bytes[i]! << 8) | bytes[i + 1]!);
  let text = '';
  for (let first = 0; text.length < length;) {
    let rest = 0;
    for (let i = first; i < limbs.length; i++) {
      const value = rest * 65536 + limbs[i]!;
      const quotient = Math.floor(value / chunkBase);
      limbs[i] = quotient;
      rest = value - quotient * chunkBase;
    }
    while (first < limbs.length && limbs[first] === 0) first++;
    text = base62OfUint32(rest, Math.min(chunkDigits, length - text.length)) + text;
  }
  return text;
}

const table = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  table[n] = c;
}

/** CRC-32 (reflected, polynomial 0xEDB88320, as zlib's) over the first `end` characters of ASCII text. */
export function crc32(text: string, end: number): number {
  let crc = -1;
  for (let i = 0; i < end; i++) crc = table[(crc ^ text.charCodeAt(i)) & 0xff]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
