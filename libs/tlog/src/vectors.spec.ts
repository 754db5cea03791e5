import { createHash } from 'node:crypto';
import {
  addSignatures, emptyRoot, evaluatePolicy, formatNote, formatProofFile, hashLeaf, openCheckpoint, parseNote, parsePolicy, parseProofFile,
  parseTilePath, proveConsistency, proveInclusion, proveInclusionIn, rootAt, rootOf, signCheckpoint, SignerKey, tilePath,
  VerifierKey, verifyConsistency, verifyInclusion, verifyProofFile,
} from './index.js';
import { decimal, logKey, MemoryLog, witnessKey } from '../test/memory-log.js';
import { proof1000to70000, proofFile69999, roots, signedCheckpoint70000 } from '../test/vectors.js';

const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  .map((hex) => hashLeaf(Buffer.from(hex, 'hex')));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('the certificate-transparency reference tree', () => {
  it('has the known root at every size', () => {
    expect(hex(emptyRoot)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(roots.reference.map((_, i) => hex(rootOf(leaves.slice(0, i + 1))))).toEqual(roots.reference);
  });

  it.each(roots.inclusion)('has the known inclusion proof of $index in $size', ({ index, size, proof }) => {
    const made = proveInclusionIn(leaves.slice(0, size), index);
    expect(made.map(hex)).toEqual(proof);
    expect(verifyInclusion(index, size, leaves[index]!, made, rootOf(leaves.slice(0, size)))).toBe(true);
  });

  it.each(roots.consistency)('has the known consistency proof from $old to $size', async ({ old, size, proof }) => {
    const reader = { readTile: async (_level: number, _index: number, width: number) => Buffer.concat(leaves.slice(0, width)) };
    const made = await proveConsistency(reader, old, size);
    expect(made.map(hex)).toEqual(proof);
    expect(verifyConsistency(old, size, made, rootOf(leaves.slice(0, old)), rootOf(leaves.slice(0, size)))).toBe(true);
  });
});

describe('the log of 70,000 decimal entries', () => {
  let log: MemoryLog;
  beforeAll(() => {
    log = MemoryLog.of(70_000);
  });

  it('has the known root at every size on the way', async () => {
    for (const [size, root] of Object.entries(roots.decimal)) {
      expect([size, base64(await rootAt(log.source, Number(size)))]).toEqual([size, root]);
    }
  });

  it('has the known tiles and bundles', () => {
    for (const [path, digest] of Object.entries(roots.files)) {
      expect([path, sha256(log.files.get(path)!)]).toEqual([path, digest]);
    }
    const count = (pattern: RegExp) => [...log.files.keys()].filter((path) => pattern.test(path)).length;
    expect([count(/^tile\/0\/[x0-9/]+$/), count(/^tile\/1\/[0-9]+$/), count(/^tile\/2\//)]).toEqual([273, 1, 1]);
  });

  it('has the known keys, written and read the same', () => {
    expect(logKey.verifier.toString()).toBe('audit.example.com/tokens+f76f865a+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4');
    expect(logKey.exportSecret()).toBe('PRIVATE+KEY+audit.example.com/tokens+f76f865a+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f');
    expect(witnessKey.verifier.toString()).toBe('witness.example.com/w1+969980cf+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X');
    const plain = 'witness.example.com/w1+78b3b84c+ASmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X';
    expect(new VerifierKey('witness.example.com/w1', 0x01, witnessKey.verifier.publicKey).toString()).toBe(plain);
    for (const vkey of [logKey.toString(), witnessKey.toString(), plain]) expect(VerifierKey.parse(vkey).toString()).toBe(vkey);
    expect(SignerKey.parse(logKey.exportSecret()).exportSecret()).toBe(logKey.exportSecret());
  });

  it('has the known checkpoint, signed and cosigned byte for byte', () => {
    const checkpoint = { origin: logKey.verifier.name, size: 70_000, root: log.root };
    const note = parseNote(signCheckpoint(checkpoint, logKey));
    const cosigned = formatNote(addSignatures(note, [witnessKey.cosign(note.text, 1_700_000_000)]));
    expect(cosigned).toBe(signedCheckpoint70000);
    expect(openCheckpoint(cosigned, [logKey.verifier])).toMatchObject({ size: 70_000 });
  });

  it('has the known proof file, and accepts it under a policy', async () => {
    const proof = await proveInclusion(log.source, 69_999, 70_000);
    const file = { index: 69_999, proof, checkpoint: signedCheckpoint70000, extra: Buffer.from('hello') };
    expect(formatProofFile(file)).toBe(proofFile69999);
    expect(formatProofFile(parseProofFile(proofFile69999))).toBe(proofFile69999);
    const policy = parsePolicy(`log ${logKey}\nwitness w1 ${witnessKey}\nquorum w1\n`);
    expect(verifyProofFile(parseProofFile(proofFile69999), hashLeaf(decimal(69_999)), policy).satisfied).toBe(true);
    expect(() => verifyProofFile(parseProofFile(proofFile69999), hashLeaf(decimal(69_998)), policy)).toThrow(/index 69999/);
    expect(evaluatePolicy(policy, parseNote(signedCheckpoint70000)).cosigned).toEqual([{ name: 'w1', timeSeconds: 1_700_000_000 }]);
  });

  it('has the known consistency proof from 1,000', async () => {
    const proof = await proveConsistency(log.source, 1000, 70_000);
    expect(proof.map(base64)).toEqual(proof1000to70000);
    expect(verifyConsistency(1000, 70_000, proof, await rootAt(log.source, 1000), log.root)).toBe(true);
  });
});

it.each([
  [1_234_067, 'x001/x234/067'], [0, '000'], [999, '999'], [1000, 'x001/000'], [123_456_789, 'x123/x456/789'],
])('writes tile index %d as %s', (index, text) => {
  expect(tilePath({ level: 3, index, width: 256 })).toBe(`tile/3/${text}`);
  expect(parseTilePath(`tile/entries/${text}.p/7`)).toEqual({ kind: 'entries', index, width: 7 });
});

it('hashes a leaf with disclosures to the known value', () => {
  expect(roots.disclosingLeaf).toHaveLength(373);
  expect(base64(hashLeaf(Buffer.from(roots.disclosingLeaf)))).toBe('+dVgD0HLwf2LtFTXwOgaFcMckgE296+3o0y8D6ghj4o=');
});
