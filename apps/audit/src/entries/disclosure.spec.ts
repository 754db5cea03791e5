import { digestOfDisclosure, disclose, opened, placeOf, seal, unseal } from './disclosure.js';

const key = Buffer.alloc(32, 1);
const iv = Buffer.alloc(12, 2);

describe('a disclosure', () => {
  it('has the digest that other readers of RFC 9901 compute', () => {
    const text = 'WyJ4X1Nsc2p5MENCb3pWTVRndHp5OU93IiwgImFjdG9yX2VtYWlsIiwgImFsaWNlQGV4YW1wbGUuY29tIl0';
    expect(digestOfDisclosure(text)).toBe('a0AxWHTMzdgDxlpSEzdoMHdzwQZDgWAvnJiMPgVrDlE');
    expect(opened(text)).toEqual({ name: 'actor_email', value: 'alice@example.com' });
  });

  it('says nothing without its salt: the same value has another digest each time', () => {
    const [one, other] = [1, 2].map((salt) => disclose(Buffer.alloc(16, salt), 'ip', '203.0.113.7'));
    expect(one!.digest).not.toBe(other!.digest);
    expect(opened(one!.text)).toEqual({ name: 'ip', value: '203.0.113.7' });
  });
});

describe('a box', () => {
  const box = seal(key, iv, placeOf('entry', 7), 'alice');

  it('opens with its key at its place', () => {
    expect(unseal(key, box, placeOf('entry', 7))).toBe('alice');
  });

  it.each([
    ['another key', () => unseal(Buffer.alloc(32, 9), box, placeOf('entry', 7))],
    ['another entry', () => unseal(key, box, placeOf('entry', 8))],
    ['another kind', () => unseal(key, box, placeOf('uses', 7))],
    ['a changed byte', () => unseal(key, Buffer.concat([box.subarray(0, -1), Buffer.of(box.at(-1)! ^ 1)]), placeOf('entry', 7))],
    ['too few bytes', () => unseal(key, box.subarray(0, 20), placeOf('entry', 7))],
  ])('does not open with %s', (_, open) => {
    expect(open()).toBeUndefined();
  });
});
