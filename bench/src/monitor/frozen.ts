import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** SHA-256 of generator.ts as it was when the first detector was tuned. Another generator makes other results. */
export const frozenHash = 'a79fc1667988ab678239a42f19a5b242c632b5d407466ba08749061dfdd32a65';

/** Seeds that detectors were tuned on, and seeds that nobody looked at while tuning. 101 to 103 are spent: they were seen before the last change. */
export const tuningSeeds = [11, 12] as const;
export const reportingSeeds = [201, 202, 203] as const;

export function generatorHash(): string {
  return createHash('sha256').update(readFileSync(new URL('../../src/monitor/generator.ts', import.meta.url))).digest('hex');
}
