import fc from 'fast-check';
import {
  decodeBundle, encodeBundle, entriesPath, formatAddCheckpoint, formatNote, formatPolicy, formatProofFile, judgeAddCheckpoint, parseAddCheckpoint,
  parseCheckpoint, formatCheckpoint, parseNote, parsePolicy, parseProofFile, parseTilePath, SignerKey, TlogError, tilePath, VerifierKey,
} from './index.js';
import { logKey, witnessKey } from '../test/memory-log.js';
import { proofFile69999, signedCheckpoint70000 } from '../test/vectors.js';

const request = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: signedCheckpoint70000 });
const policy = `log ${logKey}\nwitness w ${witnessKey} https://w.example.com/\ngroup g 1 w\nquorum g\n`;

/** Each parser with a good input and the writer that must give the same bytes back for whatever was accepted. */
const parsers: [string, string, (input: string) => string][] = [
  ['note', signedCheckpoint70000, (input) => formatNote(parseNote(input))],
  ['proof file', proofFile69999, (input) => formatProofFile(parseProofFile(input))],
  ['add-checkpoint', request, (input) => formatAddCheckpoint(parseAddCheckpoint(input))],
  ['verifier key', witnessKey.toString(), (input) => VerifierKey.parse(input).toString()],
  ['signer key', logKey.exportSecret(), (input) => SignerKey.parse(input).exportSecret()],
  ['tile path', 'tile/2/x001/x234/067.p/12', (input) => {
    const path = parseTilePath(input);
    return path.kind === 'tile' ? tilePath(path) : entriesPath(path.index, path.width);
  }],
];

describe.each(parsers)('the %s parser', (_, good, roundTrip) => {
  it('accepts nothing it would write differently, and refuses with a code', () => {
    expect(roundTrip(good)).toBe(good);
    fc.assert(fc.property(mutationOf(good), (input) => {
      const output = accepted(() => roundTrip(input));
      if (output !== undefined) expect(output).toBe(input);
    }), { numRuns: 1500 });
  });

  it('refuses arbitrary text and bytes with a code', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (input) => void accepted(() => roundTrip(input))), { numRuns: 500 });
  });
});

it('the policy parser refuses with a code, and what it accepts means the same when written again', () => {
  fc.assert(fc.property(mutationOf(policy), (input) => {
    const written = accepted(() => formatPolicy(parsePolicy(input)));
    if (written !== undefined) expect(formatPolicy(parsePolicy(written))).toBe(written);
  }), { numRuns: 1500 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (input) => void accepted(() => parsePolicy(input))));
});

it('the checkpoint parser reads the same first three lines it would write', () => {
  const good = signedCheckpoint70000.split('\n\n')[0]! + '\n';
  fc.assert(fc.property(mutationOf(good), (input) => {
    const written = accepted(() => formatCheckpoint(parseCheckpoint(input)));
    if (written !== undefined) expect(input.startsWith(written)).toBe(true);
  }), { numRuns: 1500 });
});

it('a witness answers every request, whatever its bytes', () => {
  const judge = (body: string | Uint8Array) => judgeAddCheckpoint(body, () => [logKey.verifier], () => undefined).outcome;
  expect(judge(request)).toBe('cosign');
  fc.assert(fc.property(mutationOf(request), (body) => void judge(body)), { numRuns: 1000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (body) => void judge(body)));
});

it('every path of every tile is read back as the tile', () => {
  const at = fc.record({ level: fc.integer({ min: 0, max: 63 }), index: fc.maxSafeNat(), width: fc.integer({ min: 1, max: 256 }) });
  fc.assert(fc.property(at, (tile) => {
    expect(parseTilePath(tilePath(tile))).toEqual({ kind: 'tile', ...tile });
    expect(parseTilePath(entriesPath(tile.index, tile.width))).toEqual({ kind: 'entries', index: tile.index, width: tile.width });
  }));
});

it.each([
  'tile/0/0', 'tile/0/0000', 'tile/0/x000/001', 'tile/00/000', 'tile/64/000', 'tile/0/000.p/0', 'tile/0/000.p/256', 'tile/0/000.p/01',
  'tile/0/001/002', 'tile/0/x001', '/tile/0/000', 'tile/0/000/', 'tile/-1/000', 'tile/entries/../000', 'tile/data/000',
  'tile/0/x999/x999/x999/x999/x999/999',
])('the path %s names no tile', (path) => {
  expect(() => parseTilePath(path)).toThrow(expect.objectContaining({ code: 'tile-path-malformed' }));
});

describe('an entry bundle', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 256 });

  it('gives back its entries, empty ones too', () => {
    fc.assert(fc.property(entries, (list) => {
      const read = decodeBundle(encodeBundle(list), list.length);
      expect(read.map((entry) => Buffer.from(entry))).toEqual(list.map((entry) => Buffer.from(entry)));
    }));
  });

  it('is read by its first entries when more have come since', () => {
    const bundle = encodeBundle([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]);
    expect(decodeBundle(bundle, 2).map(String)).toEqual(['a', 'b']);
  });

  it('cut short anywhere is refused', () => {
    fc.assert(fc.property(entries, fc.nat(), (list, at) => {
      const bundle = encodeBundle(list);
      expect(() => decodeBundle(bundle.subarray(0, at % bundle.length), list.length)).toThrow(expect.objectContaining({ code: 'bundle-malformed' }));
    }));
  });

  it('when full ends with its last entry', () => {
    const bundle = encodeBundle(Array.from({ length: 256 }, () => Buffer.from('x')));
    expect(() => decodeBundle(Buffer.concat([bundle, Buffer.of(0, 0)]), 256)).toThrow(expect.objectContaining({ code: 'bundle-malformed' }));
  });

  it('takes entries of 65,535 bytes and no longer ones', () => {
    expect(decodeBundle(encodeBundle([Buffer.alloc(65_535)]), 1)[0]).toHaveLength(65_535);
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(expect.objectContaining({ code: 'entry-too-long' }));
  });
});

/** One to three edits of a good input: a character replaced, dropped, doubled or moved, or a cut. */
function mutationOf(good: string): fc.Arbitrary<string> {
  const edit = fc.record({ at: fc.nat({ max: good.length }), length: fc.nat({ max: 5 }), put: fc.oneof(
    fc.constantFrom('', '\n', '\n\n', ' ', '+', '=', '0', '/', '—', 'x', '\t', '\r', '#'),
    fc.string({ unit: 'binary', maxLength: 3 }),
  ) });
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) =>
    edits.reduce((text, { at, length, put }) => text.slice(0, at) + put + text.slice(at + length), good));
}

/** Returns what was made of an accepted input; undefined when it was refused with a code. */
function accepted<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}
