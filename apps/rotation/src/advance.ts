import type { RotationState, Straggler } from '@writ/contracts';

/** What is known of a rotation that is under way. */
export interface Progress {
  state: RotationState;
  startedAt: Date;
  deadlineAt: Date;
  claimBefore: Date;
  usedAt?: Date;
  /** How often the issuer was reminded. */
  nudges: number;
  /** The stragglers that were last named. */
  named?: string;
}

export type Step =
  /** Name who still uses the old secret. */
  | { do: 'name'; named: string; lookAgainAt: Date }
  /** Say the rotation again: the issuer's answer is overdue. It knows the rotation by its id. */
  | { do: 'nudge'; lookAgainAt: Date }
  | { do: 'wait'; lookAgainAt: Date }
  | { do: 'nothing' };

const openStates: readonly RotationState[] = ['due', 'claimable', 'delivered', 'used'];
const overdueMs = 60_000;
const longestNudgePauseMs = 3_600_000;
const longestSettleMs = 300_000;

export function isOpen(state: RotationState): boolean {
  return openStates.includes(state);
}

/**
 * From when on a straggler is named: soon after the successor's first use, or half-way to the deadline where it is not used.
 * Always before the deadline.
 */
export function nameFrom({ startedAt, deadlineAt, usedAt }: Pick<Progress, 'startedAt' | 'deadlineAt' | 'usedAt'>): Date {
  const spanMs = Math.max(0, deadlineAt.getTime() - startedAt.getTime());
  const halfWay = startedAt.getTime() + spanMs / 2;
  return new Date(usedAt ? Math.min(halfWay, usedAt.getTime() + Math.min(longestSettleMs, spanMs / 10)) : halfWay);
}

/** The first look at a rotation: when the issuer should have answered. */
export function firstLookAt(startedAt: Date): Date {
  return new Date(startedAt.getTime() + overdueMs);
}

/** The next look once it has: when stragglers would be named, or the issuer would have said the end. */
export function lookAt(progress: Progress, now: Date): Date {
  const from = nameFrom(progress);
  return now < from ? from : overdueAt({ ...progress, state: progress.state === 'due' ? 'claimable' : progress.state });
}

/**
 * What to do about a rotation when its time to be looked at has come. No state is left for ever: past its last date the
 * issuer is reminded, with growing pauses, until it says how it ended.
 */
export function nextStep(progress: Progress, stragglers: readonly Straggler[], now: Date): Step {
  if (!isOpen(progress.state)) return { do: 'nothing' };
  if (now >= overdueAt(progress)) {
    const pauseMs = Math.min(longestNudgePauseMs, overdueMs * 2 ** Math.min(progress.nudges, 10));
    return { do: 'nudge', lookAgainAt: new Date(now.getTime() + pauseMs) };
  }
  const lookAgainAt = progress.state === 'due' ? overdueAt(progress) : lookAt(progress, now);
  const named = nameOf(stragglers);
  if (now < nameFrom(progress) || stragglers.length === 0 || named === progress.named) return { do: 'wait', lookAgainAt };
  return { do: 'name', named, lookAgainAt };
}

/** Who was seen lately: whoever switched is no straggler any more. */
export function stillThere(stragglers: readonly Straggler[], { startedAt, deadlineAt }: Pick<Progress, 'startedAt' | 'deadlineAt'>, now: Date): Straggler[] {
  const recentMs = Math.max(overdueMs, (deadlineAt.getTime() - startedAt.getTime()) / 10);
  return stragglers.filter(({ lastSeenAt }) => Date.parse(lastSeenAt) > now.getTime() - recentMs);
}

/** Two sets of stragglers are the same if the same callers are in them; counts and times alone are no news. */
export function nameOf(stragglers: readonly Straggler[]): string {
  return JSON.stringify(stragglers.map(({ gateway, network, agent }) => [gateway, network ?? '', agent ?? '']).sort());
}

/** The issuer would have spoken by then: it begins at once, an unclaimed successor lapses, an old secret retires. */
function overdueAt({ state, startedAt, deadlineAt, claimBefore }: Pick<Progress, 'state' | 'startedAt' | 'deadlineAt' | 'claimBefore'>): Date {
  if (state === 'due') return firstLookAt(startedAt);
  return new Date((state === 'claimable' ? claimBefore : deadlineAt).getTime() + overdueMs);
}
