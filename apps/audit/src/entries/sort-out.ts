import { conflictOf, type Candidate } from './candidate.js';

/**
 * Keeps what has no leaf yet. The same event again is dropped; another event under a known id becomes a leaf that says
 * so. @param known digests of what is in the log under these ids; null where only the leaf was recovered
 */
export function sortOut(candidates: readonly Candidate[], known: ReadonlyMap<string, Buffer | null>): Candidate[] {
  const taken = new Map(known);
  const fresh: Candidate[] = [];
  for (const candidate of candidates) {
    const before = taken.get(candidate.id);
    if (before === undefined) {
      taken.set(candidate.id, candidate.digest);
      fresh.push(candidate);
    } else if (before !== null && !before.equals(candidate.digest)) {
      const conflict = conflictOf(candidate);
      if (taken.has(conflict.id)) continue;
      taken.set(conflict.id, conflict.digest);
      fresh.push(conflict);
    }
  }
  return fresh;
}
