import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { until } from '@writ/testing';
import {
  addSignatures, appendLeaves, cosignCheckpoint, decodeBundle, emptyEdge, encodeBase64, encodeBundle, entriesPath, formatNote, hashLeaves, keyTypes, parseCheckpoint, parseNote, signCheckpoint,
  SignerKey, tilePath, tileWidth, type Checkpoint,
} from '@writ/tlog';
import { AuditBench } from './audit-bench.js';
import { alive } from './samples.js';
import { origin } from './signer-process.js';
import { go, rfc9162, sigstore, withoutGo, type Stranger } from './strangers/strangers.js';

/** A log that our own service wrote, in the hands of verifiers that others wrote. */
let audit: AuditBench;
let honest: string;
let earlier: string;
let head: Checkpoint;
let copies = 0;

beforeAll(async () => {
  audit = await AuditBench.create();
  const service = await audit.start();
  const published = async (size: number) => until(async () => {
    const note = await (await fetch(`${service.url}/checkpoint`)).text();
    return note.includes('\n\n') && parseCheckpoint(parseNote(note).text).size >= size && note;
  }, `a checkpoint of ${size} entries`);
  const say = (count: number) => Promise.all(Array.from({ length: count }, () => audit.bench.bus.say('issuer', 'service.alive', alive())));
  await audit.recorded(await say(300));
  earlier = join(audit.bench.dir, 'earlier-checkpoint');
  writeFileSync(earlier, await published(300));
  await audit.recorded(await say(400));
  await published(700);
  honest = copyOf(join(audit.bench.dir, 'site-0'));
  head = parseCheckpoint(parseNote(readFileSync(join(honest, 'checkpoint'))).text);
});
afterAll(() => audit.drop());

function copyOf(site: string): string {
  const dir = join(audit.bench.dir, `copy-${copies++}`);
  cpSync(site, dir, { recursive: true });
  return dir;
}

/** A copy of the honest log that somebody laid hands on. */
class Copy {
  readonly dir = copyOf(honest);

  file(path: string, change: (bytes: Buffer) => Uint8Array): void {
    writeFileSync(join(this.dir, path), change(readFileSync(join(this.dir, path))));
  }

  put(path: string, bytes: Uint8Array | string): void {
    mkdirSync(dirname(join(this.dir, path)), { recursive: true });
    writeFileSync(join(this.dir, path), bytes);
  }

  entries(): Uint8Array[] {
    return Array.from({ length: Math.ceil(head.size / tileWidth) }, (_, n) => n)
      .flatMap((n) => decodeBundle(readFileSync(join(this.dir, entriesPath(n, widthOf(n, head.size)))), widthOf(n, head.size)));
  }

  setEntries(entries: readonly Uint8Array[]): void {
    for (let n = 0; n * tileWidth < entries.length; n++) this.put(entriesPath(n, widthOf(n, entries.length)), encodeBundle(entries.slice(n * tileWidth, (n + 1) * tileWidth)));
  }

  /** Makes tiles that fit the entries. @returns their root */
  setTiles(entries: readonly Uint8Array[]): Buffer {
    const { tiles, root } = appendLeaves(emptyEdge, hashLeaves(entries));
    for (const tile of tiles) this.put(tilePath(tile), tile.hashes);
    return root;
  }

  note(change: (text: string) => string): void {
    this.file('checkpoint', (bytes) => Buffer.from(change(bytes.toString())));
  }

  sign(entries: readonly Uint8Array[], key: SignerKey): void {
    this.setEntries(entries);
    this.put('checkpoint', signCheckpoint({ origin, size: entries.length, root: this.setTiles(entries) }, key));
  }
}
const widthOf = (n: number, size: number) => Math.min(tileWidth, size - n * tileWidth);
const without = <T>(list: readonly T[], at: number) => list.filter((_, i) => i !== at);
const swapped = <T>(list: readonly T[], a: number, b: number) => list.map((each, i) => list[i === a ? b : i === b ? a : i] ?? each);
const forged = (entry: Uint8Array) => Buffer.from(Buffer.from(entry).toString().replace('issuer', 'policy'));
const logKey = () => SignerKey.parse(readFileSync(join(audit.bench.dir, 'signer', 'key'), 'utf8').trim());
const flipped = (at: number) => (bytes: Buffer) => { bytes[at]! ^= 1; return bytes; };

type Name = 'sigstore' | 'rfc9162' | 'go';
const all: readonly Name[] = ['sigstore', 'rfc9162', 'go'];
const readers: Record<Name, Stranger> = { sigstore, rfc9162, go };
const here = all.filter((name) => name !== 'go' || withoutGo === undefined);
const asked = (withoutGo ? `without Go, because ${withoutGo}` : 'Go’s sumdb, sigstore-js and @transmute/rfc9162');

interface Tampering {
  what: string;
  /** Who can see it: sigstore-js judges the entries it is shown one by one, @transmute/rfc9162 knows no signatures. */
  seenBy: readonly Name[];
  by: (copy: Copy) => void;
}
const signatures: readonly Name[] = ['sigstore', 'go'];
const trees: readonly Name[] = ['rfc9162', 'go'];

const tamperings: readonly Tampering[] = [
  { what: 'an edited entry', seenBy: all, by: (copy) => copy.setEntries(copy.entries().map((entry, i) => (i === 321 ? forged(entry) : entry))) },
  { what: 'one flipped bit in the last entry', seenBy: all, by: (copy) => copy.file(entriesPath(2, widthOf(2, head.size)), (bytes) => flipped(bytes.length - 3)(bytes)) },
  { what: 'a dropped entry, the next ones moved up', seenBy: all, by: (copy) => copy.setEntries([...without(copy.entries(), 5), copy.entries().at(-1)!]) },
  { what: 'two swapped entries', seenBy: all, by: (copy) => copy.setEntries(swapped(copy.entries(), 8, 600)) },
  { what: 'a repeated entry in another’s place', seenBy: all, by: (copy) => copy.setEntries(copy.entries().map((entry, i, list) => (i === 40 ? list[41]! : entry))) },
  { what: 'an edited entry with every tile made to fit', seenBy: all, by: (copy) => {
    const entries = copy.entries().map((entry, i) => (i === 3 ? forged(entry) : entry));
    copy.setEntries(entries);
    copy.setTiles(entries);
  } },
  { what: 'an edited entry with tiles and root made to fit, under the old signature', seenBy: [...signatures, 'rfc9162'], by: (copy) => {
    const entries = copy.entries().map((entry, i) => (i === 3 ? forged(entry) : entry));
    copy.setEntries(entries);
    const root = copy.setTiles(entries);
    copy.note((note) => note.replace(encodeBase64(head.root), encodeBase64(root)));
  } },
  { what: 'the end cut off, with the size in the checkpoint', seenBy: signatures, by: (copy) => {
    const entries = copy.entries().slice(0, 650);
    copy.setEntries(entries);
    const root = copy.setTiles(entries);
    copy.note((note) => note.replace(`\n${head.size}\n${encodeBase64(head.root)}\n`, `\n650\n${encodeBase64(root)}\n`));
  } },
  { what: 'the end cut off, under the signed checkpoint', seenBy: trees, by: (copy) => {
    const last = entriesPath(2, widthOf(2, head.size));
    copy.file(last, (bytes) => encodeBundle(decodeBundle(bytes, widthOf(2, head.size)).slice(0, 20)));
  } },
  { what: 'a forged signature', seenBy: signatures, by: (copy) => copy.note((note) => {
    const { text, signatures: [signature] } = parseNote(note);
    return formatNote({ text, signatures: [{ ...signature!, signature: flipped(9)(Buffer.from(signature!.signature)) }] });
  }) },
  { what: 'the signature of another key of the same name', seenBy: signatures, by: (copy) => copy.sign(copy.entries(), SignerKey.generate(origin, keyTypes.ed25519)) },
  { what: 'a tile of other hashes', seenBy: all, by: (copy) => copy.file(tilePath({ level: 0, index: 1, width: tileWidth }), flipped(70)) },
  { what: 'a tile above the leaves of other hashes', seenBy: all, by: (copy) => copy.file(tilePath({ level: 1, index: 0, width: 2 }), flipped(33)) },
  { what: 'two tiles in each other’s place', seenBy: all, by: (copy) => {
    const [a, b] = [0, 1].map((index) => join(copy.dir, tilePath({ level: 0, index, width: tileWidth })));
    renameSync(a!, `${a}.x`);
    renameSync(b!, a!);
    renameSync(`${a}.x`, b!);
  } },
  { what: 'another history, signed with the stolen key, for whoever was here before', seenBy: trees, by: (copy) =>
    copy.sign(copy.entries().map((entry, i) => (i === 3 ? forged(entry) : entry)), logKey()) },
];

describe(`a log of our service, read by ${asked}`, () => {
  it.each(here)('is accepted by %s, as it is and with a witness’s signature beside the log’s (G8)', async (name) => {
    const vkey = audit.signer.vkey;
    expect(await readers[name]({ dir: honest, vkey, earlier })).toBe('accepts');
    const cosigned = new Copy();
    cosigned.note((text) => {
      const note = parseNote(text);
      return formatNote(addSignatures(note, [cosignCheckpoint(note, SignerKey.generate('witness.example.com/w1', keyTypes.cosignature), 1_800_000_000)]));
    });
    expect(await readers[name]({ dir: cosigned.dir, vkey, earlier })).toBe('accepts');
  });

  it.each(tamperings)('is refused with $what (G8)', async ({ seenBy, by }) => {
    const copy = new Copy();
    by(copy);
    const verdicts = await Promise.all(here.map(async (name) => [name, await readers[name]({ dir: copy.dir, vkey: audit.signer.vkey, earlier })] as const));
    const wrong = verdicts.filter(([name, verdict]) => (verdict === 'accepts') === seenBy.includes(name));
    expect(wrong).toEqual([]);
  });

  it('is read by Go wherever this runs unattended, unless WRIT_TEST_WITHOUT_GO says that it need not be', () => {
    if (process.env.CI && !process.env.WRIT_TEST_WITHOUT_GO) expect(withoutGo).toBeUndefined();
  });

  it('is refused under a key that is not the log’s (G8)', async () => {
    const vkey = SignerKey.generate(origin, keyTypes.ed25519).verifier;
    for (const name of signatures.filter((each) => here.includes(each))) expect(await readers[name]({ dir: honest, vkey })).toMatch(/^refuses/);
  });
});
