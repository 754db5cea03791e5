import { encodeBase64, foldHashes, hashLeaves, hashSize, sameHash } from '@writ/tlog';
import { digestOfDisclosure, opened } from '../entries/disclosure.js';
import { parseLeaf, type Leaf } from '../entries/leaf.js';
import type { Finding, Gone } from './finding.js';

/** A stored entry with all that is kept for searching it. */
export interface StoredEntry {
  index: number;
  event: string;
  type: string;
  token: string | null;
  request: string | null;
  k: number | null;
  recordedAt: Date;
  leaf: Uint8Array;
  /** Index of the token's entry before this one, by the index of tokens. */
  previous: number | null;
}

/** Compares stored entries with what was published in their places; the published bytes are right. */
export function compareLeaves(first: number, stored: ReadonlyMap<number, StoredEntry>, published: readonly Uint8Array[]): Finding[] {
  return published.flatMap((leaf, i): Finding[] => {
    const index = first + i;
    const entry = stored.get(index);
    if (!entry) return [{ code: 'entry-missing', detail: `Entry ${index} was published and is gone.`, index }];
    return Buffer.compare(entry.leaf, leaf) === 0 ? [] : [{ code: 'entry-differs', detail: `Entry ${index} is not what was published.`, index }];
  });
}

/** Checks the columns beside a leaf against it: a search that leaves entries out, or invents some, shows here. */
export function compareColumns(entry: StoredEntry, origin: string): Finding[] {
  const { index } = entry;
  let leaf: Leaf;
  try {
    leaf = parseLeaf(entry.leaf);
  } catch {
    return [{ code: 'entry-differs', detail: `Entry ${index} cannot be read.`, index }];
  }
  const differs = ([
    ['place', String(index), leaf.seq], ['log', origin, leaf.log], ['event', entry.event, leaf.id], ['type', entry.type, leaf.type],
    ['token', entry.token ?? undefined, leaf.token], ['request', entry.request ?? undefined, leaf.request], ['ordinal', entry.k?.toString(), leaf.k], ['time', entry.recordedAt.toISOString(), leaf.rec],
  ] as const).filter(([, column, said]) => column !== said).map(([name]) => name);
  const findings: Finding[] = [];
  if (differs.length > 0) findings.push({ code: 'index-differs', detail: `Entry ${index} is listed with another ${differs.join(', ')} than its leaf says.`, index });
  if (leaf.token !== undefined && leaf.prev !== entry.previous?.toString()) {
    const detail = `Entry ${index} follows ${leaf.prev ?? 'nothing'}, but the entry of its token before it is ${entry.previous ?? 'not there'}.`;
    findings.push({ code: 'link-broken', detail, index });
  }
  return findings;
}

/** Checks that every digest of a leaf still opens, unless a leaf says that this very one was erased. */
export function compareOpenings(index: number, leaf: Leaf, texts: readonly string[], gone: Gone): Finding[] {
  const opened = new Set(texts.map(digestOfDisclosure));
  const promised = leaf._sd ?? [];
  const foreign = [...opened].filter((digest) => !promised.includes(digest)).length;
  const missing = promised.filter((digest, place) => !opened.has(digest) && !gone.has(index, place)).length;
  if (foreign > 0) return [{ code: 'opening-differs', detail: `Entry ${index} has ${foreign} openings that its leaf does not know.`, index }];
  return missing > 0 ? [{ code: 'opening-missing', detail: `Entry ${index} lost ${missing} openings without a recorded erasure.`, index }] : [];
}

/** A batch of uses as it is stored. */
export interface UseBatch {
  index: number;
  recordedAt: Date;
  leaf: Uint8Array;
  /** Flat leaf hashes of all records; empty where they are gone. */
  hashes: Uint8Array;
  /** The records that still open. */
  records: readonly (readonly [place: number, text: string])[];
}

/** Checks a batch of uses against the root that its leaf holds, and every record of it. @returns the tokens that were used, too */
export function compareUses({ index, leaf, hashes, records }: UseBatch, gone: Gone): { findings: Finding[]; tokens: string[] } {
  const { data } = parseLeaf(leaf);
  const count = hashes.length / hashSize;
  if (String(count) !== data?.records || encodeBase64(foldHashes(hashes)) !== data.root) {
    return { findings: [{ code: 'opening-differs', detail: `The hashes of the uses of entry ${index} do not have the root that its leaf holds.`, index }], tokens: [] };
  }
  const own = hashLeaves(records.map(([, text]) => Buffer.from(text)));
  const isRight = records.map(([place], i) => sameHash(own.subarray(i * hashSize, (i + 1) * hashSize), hashes.subarray(place * hashSize, (place + 1) * hashSize)));
  const foreign = isRight.filter((right) => !right).length;
  const there = new Set(records.map(([place]) => place));
  const missing = Array.from({ length: count }, (_, place) => place).filter((place) => !there.has(place) && !gone.has(index, place)).length;
  const findings: Finding[] = [];
  if (foreign > 0) findings.push({ code: 'opening-differs', detail: `Entry ${index} has ${foreign} uses that its batch does not know.`, index });
  if (missing > 0) findings.push({ code: 'opening-missing', detail: `Entry ${index} lost ${missing} uses without a recorded erasure.`, index });
  const tokens = new Set(records.flatMap(([, text]) => (opened(text).value as { tokenId?: string }).tokenId ?? []));
  return { findings, tokens: [...tokens] };
}
