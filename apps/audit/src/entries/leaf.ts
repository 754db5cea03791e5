import { canonicalJson } from '@writ/contracts';
import { maxEntryBytes } from '@writ/tlog';
import type { Candidate, Hidden } from './candidate.js';

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

/**
 * Writes a leaf: RFC 8785 canonical JSON in one line. A verifier hashes these bytes and never writes them again.
 * Facts that would not fit an entry are named by the digests of their disclosures only.
 */
export function leafOf(candidate: Candidate, place: Place, hideAll: (facts: object) => Hidden): { bytes: Buffer; hidden: Hidden[] } {
  const bytes = write(candidate, place, candidate.facts, candidate.hidden);
  if (bytes.length <= maxEntryBytes) return { bytes, hidden: candidate.hidden };
  const hidden = [...candidate.hidden, hideAll(candidate.facts)];
  return { bytes: write(candidate, place, {}, hidden), hidden };
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
