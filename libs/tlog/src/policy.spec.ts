import fc from 'fast-check';
import {
  addSignatures, evaluatePolicy, formatPolicy, parseNote, parsePolicy, parseProofFile, SignerKey, signCheckpoint, verifyProofFile,
} from './index.js';
import { logKey } from '../test/memory-log.js';
import { proofFile69999, signedCheckpoint70000 } from '../test/vectors.js';

const code = (value: string) => expect.objectContaining({ code: value });
const cosigners = Array.from({ length: 6 }, (_, i) => new SignerKey(`w${i}.example.com`, 0x04, Buffer.alloc(32, i + 1)));
const names = ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'];
const witnesses = names.map((name, i) => `witness ${name} ${cosigners[i]}`).join('\n');
const twoLevels = `
# two of ours and one of theirs
log ${logKey} https://log.example.com/
${witnesses}
group\tX 2  X1 X2 X3
  group Y any Y1 Y2 Y3
group both all X Y
quorum both
`;
const bare = parseNote(signCheckpoint({ origin: logKey.verifier.name, size: 1, root: Buffer.alloc(32, 1) }, logKey));
const cosignedBy = (who: readonly number[]) => addSignatures(bare, who.map((i) => cosigners[i]!.cosign(bare.text, 1_700_000_000 + i)));

it('meets a quorum of groups exactly when each group has its number', () => {
  const policy = parsePolicy(twoLevels);
  fc.assert(fc.property(fc.subarray([0, 1, 2, 3, 4, 5]), (who) => {
    const expected = who.filter((i) => i < 3).length >= 2 && who.some((i) => i >= 3);
    const verdict = evaluatePolicy(policy, cosignedBy(who));
    expect(verdict.satisfied).toBe(expected);
    expect(verdict.cosigned.map(({ name }) => name)).toEqual(who.map((i) => names[i]));
  }));
});

it('counts a witness once however often it cosigned, at its latest time', () => {
  const note = addSignatures(bare, [2, 1].map((time) => cosigners[0]!.cosign(bare.text, time)));
  const verdict = evaluatePolicy(parsePolicy(twoLevels), note);
  expect(verdict).toMatchObject({ satisfied: false, cosigned: [{ name: 'X1', timeSeconds: 2 }] });
});

it('is not satisfied by witnesses when no log of the policy signed', () => {
  const policy = parsePolicy(`${witnesses}\nquorum X1\n`);
  expect(evaluatePolicy(policy, cosignedBy([0]))).toMatchObject({ log: undefined, satisfied: false });
  expect(evaluatePolicy(policy, cosignedBy([0]), [logKey.verifier]).satisfied).toBe(true);
});

it('asks for no witness when the quorum is none', () => {
  expect(evaluatePolicy(parsePolicy(`log ${logKey}\nquorum none`), bare)).toMatchObject({ satisfied: true, cosigned: [] });
});

it('is the same policy after being written and read', () => {
  const policy = parsePolicy(twoLevels);
  expect(formatPolicy(parsePolicy(formatPolicy(policy)))).toBe(formatPolicy(policy));
  expect(parsePolicy(Buffer.from(twoLevels))).toEqual(policy);
});

it('tells names apart that Unicode would fold together', () => {
  const policy = `witness K ${cosigners[0]}\nwitness \u212a ${cosigners[1]}\nquorum \u212a`;
  expect(evaluatePolicy(parsePolicy(policy), cosignedBy([0]), [logKey.verifier]).satisfied).toBe(false);
  expect(evaluatePolicy(parsePolicy(policy), cosignedBy([1]), [logKey.verifier]).satisfied).toBe(true);
});

it.each([
  ['no quorum', `log ${logKey}`],
  ['two quorums', 'quorum none\nquorum none'],
  ['a quorum defined below', `quorum w\nwitness w ${cosigners[0]}`],
  ['a quorum of two names', `${witnesses}\nquorum X1 X2`],
  ['a member defined below', `group g any w\nwitness w ${cosigners[0]}\nquorum g`],
  ['a group in itself', 'group g any g\nquorum g'],
  ['none as a member', 'group g any none\nquorum g'],
  ['none as a name', `witness none ${cosigners[0]}\nquorum none`],
  ['a member twice', `${witnesses}\ngroup g 2 X1 X1\nquorum g`],
  ['a member of two groups', `${witnesses}\ngroup g any X1\ngroup h any X1\nquorum g`],
  ['a name twice', `${witnesses}\ngroup X1 any X2\nquorum X1`],
  ['a threshold of 0', `${witnesses}\ngroup g 0 X1\nquorum g`],
  ['a threshold above the members', `${witnesses}\ngroup g 2 X1\nquorum g`],
  ['a threshold with a leading zero', `${witnesses}\ngroup g 01 X1\nquorum g`],
  ['an empty group', 'group g any\nquorum g'],
  ['one witness key under two names', `witness a ${cosigners[0]}\nwitness b ${cosigners[0]}\nquorum a`],
  ['one log twice', `log ${logKey}\nlog ${logKey}\nquorum none`],
  ['a log with a cosigner key', `log ${cosigners[0]}\nquorum none`],
  ['a witness with a log key', `witness w ${logKey}\nquorum w`],
  ['an unknown keyword', 'trust everyone\nquorum none'],
  ['a carriage return', 'quorum none\r\n'],
  ['a group named like an object property', `${witnesses}\ngroup g constructor X1\nquorum g`],
])('is refused with %s', (_, text) => {
  expect(() => parsePolicy(text)).toThrow(code('policy-malformed'));
});

describe('a proof file', () => {
  it.each([
    ['another header', proofFile69999.replace('@v1', '@v2')],
    ['no index', proofFile69999.replace(/^index .*\n/m, '')],
    ['a leading zero', proofFile69999.replace('index 6', 'index 06')],
    ['the lines in another order', proofFile69999.replace(/(extra .*\n)(index .*\n)/, '$2$1')],
    ['64 hashes', proofFile69999.replace(/(index .*\n)/, `$1${`${Buffer.alloc(32).toString('base64')}\n`.repeat(60)}`)],
    ['no empty line', proofFile69999.replaceAll('\n\n', '\n')],
  ])('is refused with %s', (_, text) => {
    expect(() => parseProofFile(text)).toThrow(expect.objectContaining({ name: 'TlogError' }));
  });

  it('is refused under a policy whose log or quorum is not its own', () => {
    const file = parseProofFile(proofFile69999);
    const leaf = Buffer.alloc(32);
    expect(() => verifyProofFile(file, leaf, parsePolicy(`log ${SignerKey.generate('a', 0x01)}\nquorum none`))).toThrow(code('checkpoint-unsigned'));
    expect(() => verifyProofFile(file, leaf, parsePolicy(`log ${logKey}\nwitness w ${cosigners[0]}\nquorum w`))).toThrow(code('quorum-not-met'));
    expect(() => verifyProofFile(file, leaf, parsePolicy(`log ${logKey}\nquorum none`))).toThrow(code('proof-invalid'));
  });

  it('carries its checkpoint verbatim', () => {
    expect(parseProofFile(proofFile69999)).toMatchObject({ index: 69_999, checkpoint: signedCheckpoint70000, extra: Buffer.from('hello') });
  });
});
