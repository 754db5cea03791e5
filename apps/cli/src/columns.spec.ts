import fc from 'fast-check';
import { columns, harmless, harmlessLines, lengthOf, wrapped } from './columns.js';

describe('text for a terminal', () => {
  it('lets nothing that others wrote steer the terminal', () => {
    expect(harmless('a\u001b]0;title\u0007b\r\nc\u202ed')).toBe('a ]0;title b c d');
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[\p{Cc}\u202a-\u202e]/u.test(harmless(text))));
    expect(harmlessLines('a\u001b]0;title\u0007\n\u001b[31mred\u001b[39m\r\u001b[2K\u009b2Jb')).toBe('a ]0;title \n\u001b[31mred\u001b[39m [2K 2Jb');
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[\p{Cc}\u202a-\u202e]/u.test(harmlessLines(text).replace(/\u001b\[[\d;]*m|[\n\t]/g, ''))));
  });

  it('aligns columns two spaces apart and ends no line with a space', () => {
    expect(columns(['id', 'what'], [['1', 'first'], ['22', '']])).toBe('id  what\n1   first\n22');
  });

  it('cuts the widest column, never an id, so that every line fits the terminal', () => {
    const id = `tok_${'0'.repeat(26)}`;
    const text = columns(['token', 'why'], [[id, 'x '.repeat(60)]], { width: 60, whole: new Set(['token']) });
    expect(text).toContain(id);
    expect(text).toContain('…');
    for (const line of text.split('\n')) expect(lengthOf(line)).toBeLessThanOrEqual(60);
  });

  it('shows rows as facts, whole and within the terminal, where even cut columns are too wide for it', () => {
    const [token, request] = ['tok_', 'req_'].map((kind) => kind + '0'.repeat(26));
    const text = columns(['token', 'state', 'request'], [[token!, 'issued', request!], [token!, 'held', '']], { width: 60, whole: new Set(['request', 'token']) });
    expect(text).toBe(`token    ${token}\nstate    issued\nrequest  ${request}\n\ntoken    ${token}\nstate    held`);
  });

  it('loses no word when it wraps, for every text', () => {
    fc.assert(fc.property(fc.lorem(), fc.integer({ min: 5, max: 80 }), (text, width) => wrapped(text, width).join(' ') === text));
  });
});
