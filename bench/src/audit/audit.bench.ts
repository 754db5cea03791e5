import { withRatios, type BenchOptions, type Row } from '../row.js';
import { append, checkpoint } from './append.js';
import { files } from './files.js';

/** The log: events in, leaves durable; event to signed checkpoint; checking and proving from the published files. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, part] of Object.entries({ append, checkpoint, files })) if (options.parts?.includes(name) ?? true) rows.push(...await part(options));
  return withRatios(rows);
}
