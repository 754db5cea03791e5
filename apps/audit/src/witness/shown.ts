import type { PublishedHead } from '../site/log.store.js';

/** So long the newest checkpoint waits for its witnesses before a log that fails open is shown without them. */
export const longestWaitMs = 60_000;

/** What to show while witnesses are away: `open` the newest checkpoint after a minute, `closed` the last one that they cosigned. */
export const witnessModes = ['open', 'closed'] as const;
export type WitnessMode = (typeof witnessModes)[number];

/** How far the witnesses are: what they cosigned last, and since when a newer checkpoint waits for them. */
export interface Witnessed {
  head?: PublishedHead;
  waitingSinceMs?: number;
}

/** The checkpoint that strangers are shown where the policy asks for witnesses: one that their policy accepts, while there is one. */
export function shownHead(newest: PublishedHead, { head, waitingSinceMs }: Witnessed, mode: WitnessMode, nowMs: number): PublishedHead | undefined {
  if (mode === 'closed') return head;
  const isOverdue = waitingSinceMs !== undefined && nowMs - waitingSinceMs >= longestWaitMs;
  return head && !isOverdue ? head : newest;
}

/** Takes in what was cosigned and published by now: the wait begins anew with whatever the witnesses cosigned since. */
export function waitedFor(before: Witnessed, head: PublishedHead | undefined, newestSize: number, nowMs: number): Witnessed {
  const size = head?.size ?? 0;
  if (newestSize <= size) return { head };
  const since = size === (before.head?.size ?? 0) ? before.waitingSinceMs : undefined;
  return { head, waitingSinceMs: since ?? nowMs };
}
