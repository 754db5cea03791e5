import { digestOfDisclosure } from '../entries/disclosure.js';
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
    ['place', String(index), leaf.seq], ['log', origin, leaf.log], ['event', entry.event, leaf.id], ['type', entry.type, leaf.type], ['token', entry.token ?? undefined, leaf.token],
    ['request', entry.request ?? undefined, leaf.request], ['ordinal', entry.k?.toString(), leaf.k], ['time', entry.recordedAt.toISOString(), leaf.rec],
  ] as const).filter(([, column, said]) => column !== said).map(([name]) => name);
  const findings: Finding[] = differs.length > 0 ? [{ code: 'index-differs', detail: `Entry ${index} is listed with another ${differs.join(', ')} than its leaf says.`, index }] : [];
  if (leaf.token !== undefined && leaf.prev !== entry.previous?.toString()) {
    findings.push({ code: 'link-broken', detail: `Entry ${index} follows ${leaf.prev ?? 'nothing'}, but the entry of its token before it is ${entry.previous ?? 'not there'}.`, index });
  }
  return findings;
}

/** Checks that every digest of a leaf still opens, unless a leaf says that it was erased. */
export function compareOpenings(index: number, leaf: Leaf, texts: readonly string[], gone: Gone): Finding[] {
  const opened = new Set(texts.map(digestOfDisclosure));
  const promised = new Set(leaf._sd ?? []);
  const foreign = [...opened].filter((digest) => !promised.has(digest)).length;
  const missing = [...promised].filter((digest) => !opened.has(digest)).length;
  if (foreign > 0) return [{ code: 'opening-differs', detail: `Entry ${index} has ${foreign} openings that its leaf does not know.`, index }];
  return missing > 0 && !gone.has(index) ? [{ code: 'opening-missing', detail: `Entry ${index} lost ${missing} openings without a recorded erasure.`, index }] : [];
}
