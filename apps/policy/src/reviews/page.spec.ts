import fc from 'fast-check';
import { Problem } from '@writ/service';
import { pageOf } from './page.js';

describe('a page of a list', () => {
  it('is read within its bounds or refused, whatever was asked', () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.array(fc.string()), fc.constantFrom('0', '1', '200', '201', '1e2', undefined));
    fc.assert(fc.property(value, value, (limit, cursor) => {
      try {
        const page = pageOf({ limit, cursor });
        expect(page.limit >= 1 && page.limit <= 200).toBe(true);
        expect(page.cursor).toBe(cursor);
      } catch (error) {
        expect(error instanceof Problem && error.facts.code).toBe('bad-page');
      }
    }));
  });

  it('goes on from what an answer gave as its next, for every place', () => {
    fc.assert(fc.property(fc.stringMatching(/^[\w:]{1,100}$/), fc.integer({ min: 1, max: 200 }), (cursor, limit) => expect(pageOf({ limit: String(limit), cursor })).toEqual({ limit, cursor })));
  });
});
