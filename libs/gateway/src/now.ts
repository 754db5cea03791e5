import type { Clocks } from './verifier-state.js';

/** Reads both clocks. `performance.now()` is CLOCK_MONOTONIC: steps of the system clock do not reach it. */
export function now(): Clocks {
  return { mono: performance.now(), wall: Date.now() };
}
