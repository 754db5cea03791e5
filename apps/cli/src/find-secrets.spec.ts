import fc from 'fast-check';
import { mint } from '@writ/token';
import { SecretFinder, type Find } from './find-secrets.js';
import { PatchReader } from './patch-reader.js';

const secret = (seed: number, environment = 'prod') => mint(environment, new Uint8Array(32).fill(seed)).reveal();

function findIn(pieces: Uint8Array[]): Find[] {
  const finds: Find[] = [];
  const finder = new SecretFinder('file', (find) => finds.push(find));
  for (const piece of pieces) finder.write(piece);
  finder.end();
  return finds;
}

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

describe('finding secrets', () => {
  it('says place, environment and fingerprint, and never the secret', () => {
    const [find] = findIn([Buffer.from(`one\ntwo key=${secret(1)}\n`)]);
    expect(find).toMatchObject({ place: 'file', line: 2, column: 9, environment: 'prod' });
    expect(find!.fingerprint).toMatch(/^[0-9a-f]{12}$/);
    expect(JSON.stringify(find)).not.toContain(secret(1).slice(-20));
  });

  it('takes nothing for a secret whose checksum is wrong', () => {
    expect(findIn([Buffer.from(`${secret(1).slice(0, -1)}!`), Buffer.from(secret(2).replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')))])).toEqual([]);
  });

  it('finds the same at the same places wherever the stream is cut', () => {
    const text = fc.array(fc.oneof(fc.constant('\n'), fc.constant('writ_'), fc.string({ maxLength: 90 }), fc.integer({ min: 0, max: 255 }).map((seed) => ` ${secret(seed)} `)), { maxLength: 12 });
    fc.assert(fc.property(text, fc.array(fc.nat(2_000), { maxLength: 8 }), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''));
      expect(findIn(cutAt(bytes, cuts))).toEqual(findIn([bytes]));
    }));
  });

  it('reads what patches add, with commit, file and line, wherever the stream is cut', () => {
    const patch = Buffer.from([
      'commit 0123456789abcdef0123456789abcdef01234567', 'A message', 'diff --git a/x.env b/x.env', '--- a/x.env', '+++ b/x.env',
      '@@ -3,0 +4,2 @@ here', '+plain', `+KEY=${secret(3, 'dev')}`, '@@ -9 +10 @@', `-${secret(4)}`, '+gone', 'commit fedcba9876543210fedcba9876543210fedcba98', `leaked ${secret(5)}`, '',
    ].join('\n'));
    const read = (pieces: Buffer[]) => {
      const finds: Find[] = [];
      const reader = new PatchReader((find) => finds.push(find));
      for (const piece of pieces) reader.write(piece);
      reader.end();
      return finds.map(({ place, line, environment }) => `${place}:${line} ${environment}`);
    };
    const expected = ['0123456789ab x.env:5 dev', 'fedcba987654 message:1 prod'];
    fc.assert(fc.property(fc.array(fc.nat(1_000), { maxLength: 6 }), (cuts) => expect(read(cutAt(patch, cuts))).toEqual(expected)));
  });
});
