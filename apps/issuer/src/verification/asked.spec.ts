import fc from 'fast-check';
import { askedOf, triesOf } from './asked.js';

const read = (value: unknown) => askedOf(Buffer.from(JSON.stringify(value)));

describe('a question over AMQP', () => {
  it('is read as it was asked, for every one', () => {
    fc.assert(fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (pattern, data, id) => {
      expect(read({ pattern, data, id })).toEqual(JSON.parse(JSON.stringify({ pattern, data, id })));
    }));
  });

  it('is none, and never throws, for every other text of JSON and all bytes', () => {
    fc.assert(fc.property(fc.jsonValue().filter((value) => typeof (value as { pattern?: unknown } | null)?.pattern !== 'string'), (value) => expect(read(value)).toBeUndefined()));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => { askedOf(Buffer.from(bytes)); }));
  });

  it('of more than a MiB is not parsed', () => {
    expect(read({ pattern: 'token.verify', data: 'x'.repeat(1_048_576) })).toBeUndefined();
  });

  it('costs a try for each KiB that it begins', () => {
    expect([0, 1, 1_024, 1_025, 90_000].map(triesOf)).toEqual([1, 1, 1, 2, 88]);
  });
});
