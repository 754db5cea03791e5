import { withRatios, type BenchOptions, type Row } from '../row.js';
import { claimDue } from './claim-due.js';
import { mass } from './mass.js';
import { rotate } from './rotate.js';
import { tick } from './tick.js';

export async function bench(options: BenchOptions): Promise<Row[]> {
  return withRatios([...(await claimDue(options)), ...(await rotate(options)), ...(await tick(options)), ...(await mass(options))]);
}
