import type { GenerationRow } from '../tokens/token.row.js';

/** What the end of a secret depends on. */
export type Secret = Pick<GenerationRow, 'generation' | 'rotation_id' | 'state' | 'claim_before' | 'used_at' | 'last_used_at' | 'retires_at'>;

/** `keep` breaks no consumer; `cut` lets no secret outlive its deadline, and its owner gets in again by claiming the next one. */
export const unclaimedChoices = ['keep', 'cut'] as const;
export type UnclaimedChoice = (typeof unclaimedChoices)[number];

export interface Ending<Row extends Secret> {
  row: Row;
  code: 'unclaimed' | 'deadline' | 'no-traffic';
}

/**
 * Says which of a token's living secrets end now: successors that nobody claimed in time, then old secrets whose time is
 * over, or that nobody shows any more. Unless the operator has it cut, an old one ends only beside a newer one that
 * somebody has, however late this is asked: a token whose secret reached its owner keeps one that works.
 * @param living oldest first
 * @param windowBegan every verifier has said all its uses up to the end of a window that began then
 */
export function settle<Row extends Secret>(living: readonly Row[], now: Date, windowBegan: Date, unclaimed: UnclaimedChoice): Ending<Row>[] {
  const lapsed = living.filter((row) => isLapsed(row, now));
  const old = living.flatMap((row, i): Ending<Row>[] => {
    const newer = living.slice(i + 1).filter(isHeld);
    if (!isHeld(row) || row.retires_at === null || (newer.length === 0 && unclaimed === 'keep')) return [];
    if (row.retires_at <= now) return [{ row, code: 'deadline' }];
    return isForgotten(row, newer, windowBegan) ? [{ row, code: 'no-traffic' }] : [];
  });
  return [...lapsed.map((row) => ({ row, code: 'unclaimed' as const })), ...old];
}

/** The newest secret, where an end is left of a successor that is no more: it has none before the next one begins. */
export function endlessAgain<Row extends Secret>(living: readonly Row[]): Row | undefined {
  const newest = living.findLast(({ state }) => state !== 'retired');
  return newest && newest.retires_at !== null ? newest : undefined;
}

/** Somebody has it, and it lives. */
export function isHeld({ state }: Secret): boolean {
  return state === 'delivered' || state === 'used';
}

function isLapsed({ state, rotation_id, claim_before }: Secret, now: Date): boolean {
  return state === 'claimable' && rotation_id !== null && claim_before !== null && claim_before <= now;
}

/** A newer one was in use, and it was not, since before the window. */
function isForgotten({ last_used_at }: Secret, newer: readonly Secret[], windowBegan: Date): boolean {
  const isBefore = (at: Date | null) => at !== null && at < windowBegan;
  return isBefore(last_used_at) && newer.some(({ state, used_at }) => state === 'used' && isBefore(used_at));
}
