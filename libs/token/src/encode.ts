/** A field of an authenticated record. Absent fields are encoded, so that presence is authenticated too. */
export type Field = string | number | Uint8Array | readonly string[] | undefined;

const tags = { absent: 0, text: 1, integer: 2, bytes: 3, list: 4 } as const;

/**
 * Encodes fields so that no two different lists of fields give the same bytes: each field is a type
 * tag, its length as a 32-bit big-endian number, and its content (text in UTF-8, integers in decimal,
 * a list as a nested encoding). The domain comes first and keeps records of different kinds apart.
 * @throws RangeError for a number that is not a safe integer.
 */
export function encodeFields(domain: string, fields: readonly Field[]): Buffer {
  return Buffer.concat([encodeField(domain), ...fields.map(encodeField)]);
}

function encodeField(field: Field): Buffer {
  if (field === undefined) return framed(tags.absent, Buffer.alloc(0));
  if (typeof field === 'string') return framed(tags.text, utf8(field));
  if (typeof field === 'number') {
    if (!Number.isSafeInteger(field)) throw new RangeError('an authenticated number is a safe integer');
    return framed(tags.integer, Buffer.from(String(field), 'latin1'));
  }
  if (field instanceof Uint8Array) return framed(tags.bytes, field);
  return framed(tags.list, Buffer.concat(field.map((item) => framed(tags.text, utf8(item)))));
}

// A lone surrogate would become U+FFFD, as others do: two texts, one encoding.
function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw new RangeError('authenticated text is well-formed Unicode');
  return Buffer.from(text, 'utf8');
}

function framed(tag: number, content: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + content.length);
  frame[0] = tag;
  frame.writeUInt32BE(content.length, 1);
  frame.set(content, 5);
  return frame;
}
