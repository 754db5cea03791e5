import { setTimeout as sleep } from 'node:timers/promises';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Logger } from 'pino';
import type { ServiceConfig } from './config.js';

interface Job {
  name: string;
  everyMs: number;
  work: (signal: AbortSignal) => Promise<boolean | void>;
  isOwn: boolean;
}

/** Runs what a clock starts. Jobs begin when the service is up, and end with the round they are in. */
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly jobs: Job[] = [];
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>[] = [];

  /** @param duties `answers` leaves to other replicas what is not this process's own */
  constructor(private readonly log: Logger, private readonly duties: ServiceConfig['duties'] = 'all') {}

  /**
   * Repeats the work, with a pause of `everyMs` after each round, spread a little so that replicas do not march in step.
   * A round that returns true has more to do and is repeated at once. A failing round is logged and tried again.
   */
  every(everyMs: number, name: string, work: Job['work']): void {
    this.jobs.push({ name, everyMs, work, isOwn: false });
  }

  /** The same for what no other replica can do for this process: following the state that it answers from, telling what it saw. */
  everyOwn(everyMs: number, name: string, work: Job['work']): void {
    this.jobs.push({ name, everyMs, work, isOwn: true });
  }

  onApplicationBootstrap(): void {
    for (const job of this.jobs) if (job.isOwn || this.duties === 'all') this.running.push(this.repeat(job));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running);
  }

  private async repeat({ name, everyMs, work }: Job): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (!signal.aborted) {
      let more: boolean | void = false;
      try {
        more = await work(signal);
        failures = 0;
      } catch (error) {
        failures += 1;
        this.log.error({ err: error, job: name, failures }, 'a job failed and is tried again');
      }
      if (more) continue;
      await sleep(pauseMs(everyMs, failures) * (0.9 + Math.random() / 5), undefined, { signal }).catch(() => undefined);
    }
  }
}

const mostPauseMs = 30_000;

/** How long to wait for the next round: as was asked, or after failures ever longer, but then never longer than half a minute. */
export function pauseMs(everyMs: number, failures: number): number {
  return failures === 0 ? everyMs : Math.min(mostPauseMs, everyMs * 2 ** Math.min(failures, 6));
}
