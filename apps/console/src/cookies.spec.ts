import fc from 'fast-check';
import { cookieOf } from './cookies.js';

describe('a cookie', () => {
  it.each([
    ['a=1', '1'], ['b=2; a=1', '1'], ['aa=2;a=1;  c=3', '1'], ['a=x=y', 'x=y'], ['a=', ''],
    [undefined, undefined], ['', undefined], ['aa=1', undefined], ['A=1', undefined], ['a=1; a=2', undefined], ['a=1; a=1', undefined],
  ])('is read by its whole name, and not where it came twice: %j', (header, value) => {
    expect(cookieOf(header, 'a')).toBe(value);
  });

  it('is found among any others, and no header is an accident', () => {
    const plain = fc.stringMatching(/^[\w-]{1,20}$/);
    fc.assert(fc.property(plain, fc.array(fc.tuple(plain, plain)), (value, others) => {
      const header = [...others.filter(([name]) => name !== 'a'), ['a', value] as const].map((pair) => pair.join('=')).join('; ');
      expect(cookieOf(header, 'a')).toBe(value);
    }));
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => { cookieOf(header, 'a'); }));
  });
});
