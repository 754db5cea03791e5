import { withRatios, type BenchOptions, type Row } from '../row.js';
import { claimDue } from './claim-due.js';
import { mass } from './mass.js';
import { rotate } from './rotate.js';
import { tick } from './tick.js';

const parts = { claim: claimDue, rotate, tick, mass };

export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, part] of Object.entries(parts)) if (options.parts?.includes(name) ?? true) rows.push(...(await part(options)));
  return withRatios(rows);
}
