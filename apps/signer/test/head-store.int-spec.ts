import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadStore } from '../src/head.store.js';
import { initialise } from '../src/key.store.js';

const vkey = 'log.example.com+00000000+AQ==';
const now = new Date('2026-01-01T00:00:00Z');
const root = (seed: number) => Buffer.alloc(32, seed);
const code = (value: string) => expect.objectContaining({ code: value });
let dir: string;
let journal: string;
let headFile: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'signer-'));
  journal = join(dir, 'journal');
  headFile = join(dir, 'head.json');
  HeadStore.create(dir, vkey, now);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(): HeadStore {
  return HeadStore.open(dir, vkey);
}
function grown(...sizes: number[]): void {
  const store = open();
  for (const size of sizes) store.advance({ size, root: root(size) }, now);
  store.close();
}

it('remembers its head and every one before it', () => {
  grown(3, 9);
  expect(open().head).toEqual({ size: 9, root: root(9) });
  expect(readFileSync(journal, 'utf8').split('\n').map((line) => line.split(' ')[1])).toEqual(['0', '3', '9', undefined]);
  expect([journal, headFile].map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600]);
});

it('drops the line it died in, at every byte', () => {
  grown(3);
  const { size: before } = statSync(journal);
  const line = `${now.toISOString()} 9 ${root(9).toString('base64')}\n`;
  for (let bytes = 1; bytes < line.length; bytes++) {
    appendFileSync(journal, line.slice(0, bytes));
    const store = open();
    expect([store.head.size, statSync(journal).size]).toEqual([3, before]);
    store.close();
  }
});

it('adopts the line it died behind, before the head was replaced', () => {
  grown(3);
  const old = readFileSync(headFile);
  grown(9);
  writeFileSync(headFile, old);
  expect(open().head).toEqual({ size: 9, root: root(9) });
  expect(JSON.parse(readFileSync(headFile, 'utf8'))).toMatchObject({ size: 9 });
});

it('is not fooled by an older copy of the head', () => {
  const empty = readFileSync(headFile);
  grown(3, 9, 20);
  writeFileSync(headFile, empty);
  expect(open().head.size).toBe(20);
});

it.each([
  ['the journal is gone', () => rmSync(journal), 'state-missing'],
  ['the head is gone', () => rmSync(headFile), 'state-missing'],
  ['the journal is shorter than the head', () => truncateSync(journal, 80), 'state-inconsistent'],
  ['the journal is empty', () => truncateSync(journal, 0), 'state-inconsistent'],
  ['the journal ends in another root', () => writeFileSync(journal, `${now.toISOString()} 9 ${root(1).toString('base64')}\n`), 'state-inconsistent'],
  ['the journal ends in nonsense', () => appendFileSync(journal, 'nonsense\n'), 'state-inconsistent'],
  ['the head is nonsense', () => writeFileSync(headFile, '{'), 'state-inconsistent'],
  ['the head has a short root', () => writeFileSync(headFile, JSON.stringify({ vkey, size: 9, root: 'AAAA' })), 'state-inconsistent'],
  ['the head is of another key', () => writeFileSync(headFile, JSON.stringify({ vkey: 'other', size: 9, root: root(9).toString('base64') })), 'state-of-another-key'],
])('refuses to start when %s', (_, damage, reason) => {
  grown(3, 9);
  damage();
  expect(open).toThrow(code(reason));
});

it('lets at most one of two processes on the same folder go on', () => {
  const [first, second] = [open(), open()];
  first.advance({ size: 3, root: root(3) }, now);
  expect(() => second.advance({ size: 3, root: root(4) }, now)).toThrow(code('state-shared'));
  expect(open().head).toEqual({ size: 3, root: root(3) });
});

it('is never made anew over a log that has entries', () => {
  grown(3);
  expect(() => HeadStore.create(dir, vkey, now)).toThrow(code('state-exists'));
});

describe('making a key', () => {
  const origin = 'log.example.com/x';
  const make = (state = join(dir, 'state')) => initialise(join(dir, 'key'), state, origin, now);

  it('makes it once, private, with an empty state', () => {
    const key = make();
    expect(make().toString()).toBe(key.toString());
    expect(statSync(join(dir, 'key')).mode & 0o777).toBe(0o600);
    expect(HeadStore.open(join(dir, 'state'), key.toString()).head.size).toBe(0);
  });

  it('goes on after a crash between state and key', () => {
    make();
    rmSync(join(dir, 'key'));
    const key = make();
    expect(HeadStore.open(join(dir, 'state'), key.toString()).head.size).toBe(0);
  });

  it('never gives a key that has signed a new beginning', () => {
    make();
    expect(() => make(join(dir, 'elsewhere'))).toThrow(code('state-missing'));
  });
});
