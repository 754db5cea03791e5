import {
  closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, renameSync, writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { decodeHash, emptyRoot, encodeBase64, sameHash, TlogError } from '@writ/tlog';
import type { Head } from './decide.js';

/** The recorded state cannot be trusted, so nothing may be signed. Not to be repaired without the published log at hand. */
export class StateError extends Error {
  constructor(readonly code: 'state-missing' | 'state-exists' | 'state-of-another-key' | 'state-inconsistent' | 'state-shared', message: string) {
    super(`${code}: ${message}`);
    this.name = 'StateError';
  }
}

const headFile = 'head.json';
const journalFile = 'journal';
const lineBytes = 256;

/**
 * Remembers the largest head that may have been signed, so that a restart cannot sign another one.
 *
 *   journal line appended, fsync ── crash here: the start adopts the line; it was proven, and nothing was signed
 *   head.json replaced, fsync    ── crash here: the publisher asks again and gets the same bytes
 *   sign, answer
 *
 * The journal is the stronger of the two: a head.json set back to an older copy is noticed and ignored, a journal that
 * is shorter than head.json stops the start. All calls block: between decision and signature nothing else may run.
 */
export class HeadStore {
  #head: Head;
  #journalBytes: number;

  private constructor(private readonly dir: string, private readonly vkey: string, private readonly journal: number) {
    this.#head = readHead(dir, vkey);
    this.#journalBytes = dropTornLine(journal);
    const last = readLastLine(journal, this.#journalBytes);
    if (last.size < this.#head.size) throw new StateError('state-inconsistent', 'the journal ends before the recorded head');
    if (last.size === this.#head.size && !sameHash(last.root, this.#head.root)) {
      throw new StateError('state-inconsistent', 'journal and recorded head differ at the same size');
    }
    if (last.size > this.#head.size) this.#replaceHead(last);
  }

  /** Makes the state of a new key: an empty tree. Throws `state-exists` unless there is none, or one that never grew. */
  static create(dir: string, vkey: string, now: Date): void {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const empty = { size: 0, root: emptyRoot };
    if (existsSync(join(dir, headFile)) && !/"size":0,/.test(readFileSync(join(dir, headFile), 'utf8'))) {
      throw new StateError('state-exists', 'this folder belongs to a log that has entries');
    }
    replaceFile(dir, journalFile, lineOf(empty, now));
    replaceFile(dir, headFile, headText(empty, vkey));
  }

  /** Opens the state of a key. Throws StateError; a lost state means the key must be retired, so none is made up. */
  static open(dir: string, vkey: string): HeadStore {
    if (!existsSync(join(dir, headFile)) || !existsSync(join(dir, journalFile))) {
      throw new StateError('state-missing', 'no head and journal here; "init" makes them together with a new key');
    }
    return new HeadStore(dir, vkey, openSync(join(dir, journalFile), constants.O_RDWR | constants.O_APPEND));
  }

  get head(): Head {
    return this.#head;
  }

  /** Records a head; durable when it returns. After any error the process must end: what is on disk is not known. */
  advance(head: Head, now: Date): void {
    const line = Buffer.from(lineOf(head, now));
    this.#requireJournal(this.#journalBytes);
    writeAll(this.journal, line);
    fsyncSync(this.journal);
    // Of two signers that append at once, at most one finds its own line last and nothing else beside it.
    this.#requireJournal(this.#journalBytes + line.length);
    this.#journalBytes += line.length;
    this.#replaceHead(head);
  }

  close(): void {
    closeSync(this.journal);
  }

  #replaceHead(head: Head): void {
    replaceFile(this.dir, headFile, headText(head, this.vkey));
    this.#head = head;
  }

  #requireJournal(bytes: number): void {
    if (fstatSync(this.journal).size !== bytes) throw new StateError('state-shared', 'another process writes to this journal');
  }
}

function readHead(dir: string, vkey: string): Head {
  let stored: { vkey?: unknown; size?: unknown; root?: unknown };
  try {
    stored = JSON.parse(readFileSync(join(dir, headFile), 'utf8')) as typeof stored;
  } catch {
    throw new StateError('state-inconsistent', `${headFile} cannot be read`);
  }
  if (stored.vkey !== vkey) throw new StateError('state-of-another-key', 'the head was recorded for another log key');
  return headOf(String(stored.size), String(stored.root));
}

/** Cuts off a line the last process died in. It was not answered with a signature, so it never happened. */
function dropTornLine(journal: number): number {
  const { size } = fstatSync(journal);
  const tail = readTail(journal, size);
  const whole = size - (tail.length - (tail.lastIndexOf('\n') + 1));
  if (whole < size) {
    ftruncateSync(journal, whole);
    fsyncSync(journal);
  }
  return whole;
}

function readLastLine(journal: number, bytes: number): Head {
  const [, size, root] = /(?:^|\n)\S+ (\S+) (\S+)\n$/.exec(readTail(journal, bytes)) ?? [];
  return headOf(size, root);
}

function readTail(journal: number, bytes: number): string {
  const tail = Buffer.alloc(Math.min(bytes, 2 * lineBytes));
  readSync(journal, tail, 0, tail.length, bytes - tail.length);
  return tail.toString('latin1');
}

function headOf(size: string | undefined, root: string | undefined): Head {
  try {
    if (size !== undefined && root !== undefined && /^(?:0|[1-9][0-9]*)$/.test(size) && Number.isSafeInteger(Number(size))) {
      return { size: Number(size), root: decodeHash(root) };
    }
  } catch (error) {
    if (!(error instanceof TlogError)) throw error;
  }
  throw new StateError('state-inconsistent', 'a recorded head is malformed');
}

function lineOf({ size, root }: Head, now: Date): string {
  return `${now.toISOString()} ${size} ${encodeBase64(root)}\n`;
}

function headText({ size, root }: Head, vkey: string): string {
  return `${JSON.stringify({ vkey, size, root: encodeBase64(root) })}\n`;
}

/** Replaces a file so that a crash leaves the old or the new one, whole. */
function replaceFile(dir: string, name: string, text: string): void {
  const temporary = join(dir, `${name}.tmp`);
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeAll(file, Buffer.from(text));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, join(dir, name));
  syncFolder(dir);
}

/** Makes a created or renamed name durable. */
export function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}
