/** On a machine that stands still, work is mostly waiting: nobody rests longer for that. */
const longestMs = 10_000;

/** How long to rest after work, so that working takes this share of the time. */
export function restMs(workMs: number, share: number): number {
  return Math.min(longestMs, workMs * (1 / share - 1));
}
