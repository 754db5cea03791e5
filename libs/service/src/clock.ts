import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { makeId, type IdPrefix, type IdTypes } from '@writ/contracts';

const usualAnswerMs = 500;

/**
 * The time of the service's database, and fresh ids; injected so that tests can set them. Between two looks at the
 * database the monotonic clock counts on, so a machine whose wall clock is wrong decides like every other.
 */
@Injectable()
export class Clock {
  /** Wall time at which the monotonic clock was at 0; until the first look as this machine believes. */
  private zeroMs = Date.now() - performance.now();

  now(): Date {
    return new Date(this.nowMs());
  }

  /** Milliseconds since 1970. */
  nowMs(): number {
    return Math.floor(this.zeroMs + performance.now());
  }

  newId<P extends IdPrefix>(prefix: P): IdTypes[P] {
    return makeId(prefix, this.nowMs(), randomBytes(10));
  }

  /** Takes over the database's time. @param longestAnswerMs an answer that took longer says too little of when it was given */
  async follow(source: DataSource, longestAnswerMs = usualAnswerMs): Promise<void> {
    const askedMs = performance.now();
    const [row] = (await source.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now_ms')) as { now_ms: string }[];
    const answeredMs = performance.now();
    if (answeredMs - askedMs <= longestAnswerMs) this.zeroMs = Number(row?.now_ms) - (askedMs + answeredMs) / 2;
  }
}
