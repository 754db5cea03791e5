import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const resolutionMs = 5;
const tolerableMs = 8;
const shortestRestMs = 10;
const longestRestMs = 250;

/**
 * For work that can wait and comes in masses: a rest after each piece, for as long as others are held up who cannot wait.
 * It looks at how late this process got its turn meanwhile, whoever was in the way: the work itself, or other processes.
 */
export class Courtesy {
  private readonly turns = monitorEventLoopDelay({ resolution: resolutionMs });
  private restMs = 0;

  /** Does a piece of the work, and rests. */
  async piece<Result>(work: () => Promise<Result>): Promise<Result> {
    this.turns.reset();
    this.turns.enable();
    const result = await work().finally(() => this.turns.disable());
    this.restMs = nextRestMs(this.restMs, this.turns.percentile(90) / 1e6 - resolutionMs);
    if (this.restMs > 0) await sleep(this.restMs);
    return result;
  }
}

/** Longer while turns come late, shorter again while they do not, and never so long that the work would not end. */
export function nextRestMs(restMs: number, lateMs: number): number {
  if (lateMs > tolerableMs) return Math.min(longestRestMs, Math.max(shortestRestMs, restMs * 1.5));
  return restMs * 0.8 < shortestRestMs ? 0 : restMs * 0.8;
}
