import { randomBytes } from 'node:crypto';

const valuesAtOnce = 1_024;

/** Draws random bytes for many values at a time: each call into the system's source costs more than a salt. */
export function randomSource(bytesEach: number): () => Buffer {
  let pool = Buffer.alloc(0);
  return () => {
    if (pool.length === 0) pool = randomBytes(bytesEach * valuesAtOnce);
    const value = pool.subarray(0, bytesEach);
    pool = pool.subarray(bytesEach);
    return value;
  };
}
