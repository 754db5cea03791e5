import { withRatios, type BenchOptions, type Row } from '../row.js';
import { append, checkpoint } from './append.js';
import { files } from './files.js';

/** The log: events in, leaves durable; event to signed checkpoint; checking and proving from the published files. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  return withRatios([...(await append(options)), ...(await checkpoint(options)), ...(await files(options))]);
}
