import type { TimelineEntry } from '@writ/contracts';
import type { LogRow } from '../state/state-log.store.js';
import type { GenerationRow, OrphaningRow, TokenRow } from './token.row.js';

/**
 * A token's whole life, oldest first, from its entries of the state log, with the epoch that may have ended it, from its
 * secrets, and from when it was offered because its owner left.
 */
export function timelineOf(
  { delivery }: Pick<TokenRow, 'delivery'>, log: readonly LogRow[], generations: readonly GenerationRow[], orphanings: readonly OrphaningRow[],
): TimelineEntry[] {
  return [...changesOf(log), ...generations.flatMap((row) => stepsOf(row, delivery.mode === 'sealed')), ...orphanings.map(offerOf)].sort(byTime);
}

function changesOf(log: readonly LogRow[]): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  let owner: string | undefined;
  let hasEnded = false;
  for (const row of log) {
    if (row.kind === 'rotate') continue; // Its secret's own steps say so.
    if (row.kind === 'epoch' && hasEnded) continue; // Nothing was left for it to end.
    const isTransfer = row.reason_code === 'transferred';
    const { at, code, seq, generation, by } = factsOf(row);
    entries.push({ at, what: isTransfer ? 'transfer' : row.kind, code, seq, generation, by, ...(isTransfer ? { from: owner, to: row.owner_id ?? undefined } : {}) });
    if (row.kind === 'issue' || isTransfer) owner = row.owner_id ?? undefined;
    hasEnded ||= row.kind === 'revoke' || row.kind === 'expire';
  }
  return entries;
}

function factsOf({ at, reason_code: code, seq, generation, by }: LogRow): Pick<TimelineEntry, 'at' | 'code' | 'seq' | 'generation' | 'by'> {
  return { at: at.toISOString(), code, seq: Number(seq), generation: generation ?? undefined, by: by ?? undefined };
}

function stepsOf({ generation, rotation_id, cause, begun_at, begun_by, claimed_at, claimed_by, used_at }: GenerationRow, isSealed: boolean): TimelineEntry[] {
  const rotationId = rotation_id ?? undefined;
  const step = (at: Date | null, what: TimelineEntry['what'], more: Partial<TimelineEntry>): TimelineEntry[] => (at ? [{ at: at.toISOString(), what, generation, rotationId, ...more }] : []);
  const person = (principal: GenerationRow['claimed_by']) => (principal ? { by: { kind: 'person', principal } as const } : {});
  return [
    ...(rotationId === undefined ? [] : step(begun_at, 'rotation', { code: cause ?? undefined, ...person(begun_by) })),
    ...step(claimed_at, 'delivered', isSealed ? { code: 'sealed' } : person(claimed_by)),
    ...step(used_at, 'first-used', {}),
  ];
}

function offerOf({ at, owner_id: from, ends_at }: OrphaningRow): TimelineEntry {
  return { at: at.toISOString(), what: 'orphaned', code: 'owner-deactivated', by: { kind: 'owner-deactivated' }, from, endsAt: ends_at.toISOString() };
}

/** What is of the same time keeps its place: the log's in its own order, then a secret's steps, then offers. */
function byTime(a: TimelineEntry, b: TimelineEntry): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}
