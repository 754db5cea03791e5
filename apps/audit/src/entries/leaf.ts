import { canonicalJson } from '@writ/contracts';
import { Unacceptable } from '@writ/messaging';
import { maxEntryBytes } from '@writ/tlog';
import type { Candidate, Hidden, SubjectName } from './candidate.js';
import { opened, type Disclosure } from './disclosure.js';

/** Where a leaf stands. */
export interface Place {
  /** The log's origin. */
  log: string;
  seq: number;
  /** Index of the token's leaf before this one. */
  prev?: number;
  recordedAt: Date;
}

/** What is read back from a leaf. All integers are decimal text. */
export interface Leaf {
  v: 1;
  log: string;
  seq: string;
  id: string;
  type: string;
  ts: string;
  rec: string;
  src?: string;
  n?: string;
  k?: string;
  prev?: string;
  token?: string;
  request?: string;
  data?: Record<string, unknown>;
  _sd?: string[];
}

/** Discloses a field with a salt of its own. */
export type Disclose = (name: string, value: unknown) => Disclosure;

/**
 * Writes a leaf: RFC 8785 canonical JSON in one line. A verifier hashes these bytes and never writes them again.
 * Facts that would not fit an entry are named by the digest of a disclosure only, and where there are too many digests,
 * what belongs to one subject is disclosed as one.
 * @throws Unacceptable `too-large` where it names more subjects than an entry holds: a longer leaf could never be published
 */
export function leafOf(candidate: Candidate, place: Place, disclose: Disclose): { bytes: Buffer; hidden: Hidden[] } {
  const whole = write(candidate, place, candidate.facts, candidate.hidden);
  if (whole.length <= maxEntryBytes) return { bytes: whole, hidden: candidate.hidden };
  const facts: Hidden = { subject: candidate.id, disclosure: disclose('data', candidate.facts) };
  for (const hidden of [[...candidate.hidden, facts], [...bySubject(candidate.hidden, disclose), facts]]) {
    const bytes = write(candidate, place, {}, hidden);
    if (bytes.length <= maxEntryBytes) return { bytes, hidden };
  }
  throw new Unacceptable('too-large', `The event has more to hide than an entry of ${maxEntryBytes} bytes can name.`);
}

function bySubject(hidden: readonly Hidden[], disclose: Disclose): Hidden[] {
  return [...Map.groupBy(hidden, ({ subject }): SubjectName => subject)].map(([subject, own], i) => {
    const fields = own.map(({ disclosure }) => opened(disclosure.text)).map(({ name, value }) => [name, value] as const);
    return { subject, disclosure: disclose(`data ${i + 1}`, Object.fromEntries(fields)) };
  });
}

function write(candidate: Candidate, place: Place, facts: object, hidden: readonly Hidden[]): Buffer {
  const { id, type, src, n, k, token, request, at } = candidate;
  const recorded = place.recordedAt.toISOString();
  return Buffer.from(canonicalJson({
    v: 1, log: place.log, seq: String(place.seq), id, type, rec: recorded,
    ts: Number.isNaN(at.getTime()) ? recorded : at.toISOString(),
    ...(src !== undefined && { src }),
    ...(n !== undefined && { n }),
    ...(k !== undefined && { k: String(k) }),
    ...(place.prev !== undefined && { prev: String(place.prev) }),
    ...(token !== undefined && { token }),
    ...(request !== undefined && { request }),
    ...(hidden.length > 0 && { _sd: hidden.map(({ disclosure }) => disclosure.digest).sort() }),
    data: facts,
  }));
}

export function parseLeaf(bytes: Uint8Array): Leaf {
  return JSON.parse(Buffer.from(bytes).toString()) as Leaf;
}
