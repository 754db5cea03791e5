import { inspect } from 'node:util';
import {
  cosignCheckpoint, evaluatePolicy, formatNote, formatSignature, openCheckpoint, parseCheckpoint, parseNote, parseSignatures, SignerKey,
  signCheckpoint, VerifierKey, verifyNote, formatCheckpoint, addSignatures, parsePolicy,
} from './index.js';
import { logKey, witnessKey } from '../test/memory-log.js';
import { signedCheckpoint70000 } from '../test/vectors.js';

const code = (value: string) => expect.objectContaining({ code: value });
const root = Buffer.alloc(32, 9);
const origin = logKey.verifier.name;
const keys = [logKey.verifier, witnessKey.verifier];

describe('a note', () => {
  it('is the same bytes after being read and written', () => {
    expect(formatNote(parseNote(signedCheckpoint70000))).toBe(signedCheckpoint70000);
    expect(formatNote(parseNote(Buffer.from(signedCheckpoint70000)))).toBe(signedCheckpoint70000);
  });

  it('ends its text at the last empty line', () => {
    const text = 'one\n\ntwo\n';
    const note = parseNote(formatNote({ text, signatures: [logKey.sign(text)] }));
    expect(note.text).toBe(text);
    expect(verifyNote(note, keys)).toHaveLength(1);
  });

  it('is condemned by one wrong signature of a known key, whoever else signed', () => {
    const note = parseNote(signedCheckpoint70000);
    for (const index of [0, 1]) {
      const signatures = note.signatures.map((s, i) => (i === index ? { ...s, signature: flipLast(s.signature) } : s));
      expect(() => verifyNote({ ...note, signatures }, keys)).toThrow(code('signature-invalid'));
    }
    expect(() => verifyNote({ ...note, text: note.text.replace('70000', '70001') }, keys)).toThrow(code('signature-invalid'));
  });

  it('ignores signatures of strangers and of other keys under a known name', () => {
    const note = parseNote(signedCheckpoint70000);
    const namesake = SignerKey.generate(origin, 0x01);
    const strangers = Array.from({ length: 16 }, (_, i) => ({ name: `w${i}`, id: '01020304', signature: Buffer.alloc(2428) }));
    const crowded = parseNote(formatNote(addSignatures(note, [...strangers, namesake.sign('something else\n')])));
    expect(verifyNote(crowded, keys).map(({ key }) => key.name)).toEqual([origin, 'witness.example.com/w1']);
    expect(verifyNote(crowded, [])).toEqual([]);
  });

  it.each([
    ['no signatures', 'text\n'],
    ['no newline at the end', signedCheckpoint70000.trimEnd()],
    ['a carriage return', signedCheckpoint70000.replaceAll('\n', '\r\n')],
    ['a hyphen for the em dash', signedCheckpoint70000.replaceAll('—', '-')],
    ['two spaces', signedCheckpoint70000.replace('— ', '—  ')],
    ['a plus in a name', 'text\n\n— a+b AAAAAAA=\n'],
    ['a space of another alphabet in a name', 'text\n\n— a\u2003b AAAAAAA=\n'],
    ['a signature without bytes', 'text\n\n— a AAAAAA==\n'],
    ['a tab in the text', 'te\txt\n\n— a AAAAAAA=\n'],
    ['too many signatures', `text\n\n${'— a AAAAAAA=\n'.repeat(101)}`],
    ['a lone surrogate', 'te\ud800xt\n\n— a AAAAAAA=\n'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseNote(text)).toThrow(code('note-malformed'));
  });

  it('is refused with bytes that are not UTF-8, or base64 that has another spelling', () => {
    expect(() => parseNote(Buffer.from([0x61, 0xff, 0x0a, 0x0a]))).toThrow(code('note-malformed'));
    expect(() => parseNote('text\n\n— a AAAAAAB=\n')).toThrow(code('base64-malformed'));
    expect(() => parseSignatures('— a AAAA AAA=\n')).toThrow(code('note-malformed'));
  });
});

describe('a key', () => {
  it('is split at its first two plus signs, because base64 has them too', () => {
    const vkey = Array.from({ length: 200 }, () => SignerKey.generate('log.example.com', 0x01).toString())
      .find((text) => text.split('+').length > 3)!;
    expect(VerifierKey.parse(vkey).toString()).toBe(vkey);
  });

  it('is refused when its id is of another key', () => {
    const vkey = logKey.toString();
    expect(() => VerifierKey.parse(vkey.replace('f76f865a', 'f76f865b'))).toThrow(code('key-malformed'));
    expect(() => VerifierKey.parse(vkey.replace('audit', 'Audit'))).toThrow(code('key-malformed'));
    expect(() => SignerKey.parse(logKey.exportSecret().replace('f76f865a', 'f76f865b'))).toThrow(code('key-malformed'));
  });

  it('is refused in types and sizes nobody here can check', () => {
    expect(() => VerifierKey.parse(`a+00000000+${Buffer.alloc(33, 6).toString('base64')}`)).toThrow(code('key-type-unsupported'));
    expect(() => new VerifierKey('a b', 0x01, Buffer.alloc(32))).toThrow(code('key-malformed'));
    expect(() => new VerifierKey('a', 0x01, Buffer.alloc(31))).toThrow(code('key-malformed'));
  });

  it('never prints its secret, nor repeats a malformed one', () => {
    const seed = logKey.exportSecret().split('+').at(-1)!;
    expect(`${logKey} ${JSON.stringify(logKey)} ${inspect(logKey, { depth: 9, showHidden: true })}`).not.toContain(seed.slice(0, 12));
    const broken = logKey.exportSecret().replace('f76f865a', 'zzz');
    expect(() => SignerKey.parse(broken)).toThrow(expect.objectContaining({ message: expect.not.stringContaining(seed) }));
  });

  it('signs as a log or cosigns as a witness, never both', () => {
    expect(() => logKey.cosign('text\n', 1)).toThrow(code('key-type-mismatch'));
    expect(() => witnessKey.sign('text\n')).toThrow(code('key-type-mismatch'));
    for (const time of [-1, 1.5, Number.NaN]) expect(() => witnessKey.cosign('text\n', time)).toThrow(code('time-malformed'));
  });

  it('signs the same bytes the same way each time', () => {
    expect(formatSignature(logKey.sign('text\n'))).toBe(formatSignature(logKey.sign('text\n')));
  });
});

describe('a checkpoint', () => {
  const text = formatCheckpoint({ origin, size: 5, root });

  it.each([
    ['a leading zero in the size', text.replace('\n5\n', '\n05\n')],
    ['a sign', text.replace('\n5\n', '\n+5\n')],
    ['a size above 2^53-1', text.replace('\n5\n', '\n9007199254740992\n')],
    ['an empty extension line', `${text}\nx\n`],
    ['two lines', `${origin}\n5\n`],
    ['no newline at the end', text.trimEnd()],
    ['an empty origin', text.replace(origin, '')],
  ])('is refused with %s', (_, broken) => {
    expect(() => parseCheckpoint(broken)).toThrow(code('checkpoint-malformed'));
  });

  it('is refused with a root that is not 32 bytes', () => {
    expect(() => parseCheckpoint(`${origin}\n5\n${Buffer.alloc(31).toString('base64')}\n`)).toThrow(code('hash-malformed'));
    expect(() => parseCheckpoint(`${origin}\n5\n\n`)).toThrow(code('checkpoint-malformed'));
  });

  it('of another log may carry extension lines', () => {
    expect(parseCheckpoint(`${text}extension\n`)).toEqual({ origin, size: 5, root });
  });

  it('counts as signed only by a log key with the name of its origin', () => {
    const foreign = formatCheckpoint({ origin: 'other.example.com', size: 5, root });
    const note = formatNote({ text: foreign, signatures: [logKey.sign(foreign)] });
    expect(() => openCheckpoint(note, [logKey.verifier])).toThrow(code('checkpoint-unsigned'));
    const ownName = new SignerKey(origin, 0x04, Buffer.alloc(32, 1));
    const cosigned = formatNote({ text, signatures: [ownName.cosign(text, 1)] });
    expect(() => openCheckpoint(cosigned, [ownName.verifier])).toThrow(code('checkpoint-unsigned'));
    expect(() => signCheckpoint({ origin: 'other.example.com', size: 5, root }, logKey)).toThrow(code('checkpoint-malformed'));
  });

  it('is cosigned over its time: another time is another statement', () => {
    const note = parseNote(signCheckpoint({ origin, size: 5, root }, logKey));
    const line = cosignCheckpoint(note, witnessKey, 1_700_000_000);
    const later = Buffer.from(line.signature);
    later.writeBigUInt64BE(1_700_000_001n);
    const verdict = evaluatePolicy(parsePolicy(`witness w ${witnessKey}\nquorum w`), addSignatures(note, [line]), [logKey.verifier]);
    expect(verdict).toMatchObject({ satisfied: true, cosigned: [{ name: 'w', timeSeconds: 1_700_000_000 }] });
    expect(() => verifyNote(addSignatures(note, [{ ...line, signature: later }]), keys)).toThrow(code('signature-invalid'));
  });
});

function flipLast(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1]! ^= 1;
  return copy;
}
