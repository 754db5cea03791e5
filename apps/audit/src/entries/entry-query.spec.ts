import fc from 'fast-check';
import { Problem } from '@writ/service';
import { filterOf, indexOf, type EntryQuery } from './entry-query.js';

const names = ['token', 'request', 'actor', 'type', 'event', 'from', 'to', 'cursor', 'limit'] as const;
/** What a parsed query string may hold: a text, several of them, or nothing. */
const value = fc.oneof(
  fc.string({ unit: 'binary' }), fc.array(fc.string(), { maxLength: 3 }), fc.constantFrom('0', '1', '200', '201', '-1', '1e3', ' 1', '2026-01-31T12:00:00Z', '2026-13-01T00:00:00Z', '9007199254740993'),
  fc.object({ maxDepth: 2 }),
);
const query = fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] }) as fc.Arbitrary<EntryQuery>;

describe('a search of the log', () => {
  it('is read within its bounds or refused naming each wrong parameter, whatever was asked', () => {
    fc.assert(fc.property(query, (asked) => {
      let filter;
      try {
        filter = filterOf(asked);
      } catch (error) {
        const { code, errors } = (error as Problem).facts;
        expect([error instanceof Problem, code]).toEqual([true, 'invalid-body']);
        expect(errors?.every(({ pointer }) => Object.hasOwn(asked, pointer.slice(1)))).toBe(true);
        return;
      }
      expect(filter.limit >= 1 && filter.limit <= 200).toBe(true);
      expect([filter.from, filter.to].every((time) => time === undefined || !Number.isNaN(time.getTime()))).toBe(true);
      expect(filter.before === undefined || Number.isSafeInteger(filter.before)).toBe(true);
      expect(JSON.stringify(filter)).not.toContain('\\u0000');
    }), { numRuns: 500 });
  });

  it('goes on where the answer before said, for every place in the log', () => {
    fc.assert(fc.property(fc.nat(999_999_999_999_999), (index) => expect(filterOf({ cursor: String(index) }).before).toBe(index)));
    for (const text of ['', '01', '+1', '1.0', '0x1', '１', '1000000000000000', ['1'], undefined]) expect(indexOf(text)).toBeUndefined();
  });
});
