/** One measured line. `ratioToLimit` belongs to rows of kind `ours` whose limit was measured in the same run. */
export interface Row {
  bench: string;
  name: string;
  /** `limit`: the same work by the barest program. `peer`: what others do for it. */
  kind: 'ours' | 'limit' | 'peer';
  perSecond: number;
  p50Ms?: number;
  p99Ms?: number;
  /** Microseconds of CPU per operation, in the processes that do the work. */
  cpuUsPerOp?: number;
  rssMb?: number;
  ratioToLimit?: number;
  /** What the table says beside the numbers. */
  note?: string;
}

export interface BenchOptions {
  /** Under two minutes, with larger errors. */
  quick: boolean;
  /** Only these, where a bench has parts; absent = the usual ones. */
  parts?: readonly string[];
  say: (line: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<Row[]>;

/** Sets each `ours` row's ratio to the limit that carries its name. */
export function withRatios(rows: Row[]): Row[] {
  return rows.map((row) => {
    const limit = row.kind === 'ours' ? rows.find(({ kind, name }) => kind === 'limit' && name === row.name) : undefined;
    return limit && limit.perSecond > 0 ? { ...row, ratioToLimit: row.perSecond / limit.perSecond } : row;
  });
}

/** The p-quantile of latencies in milliseconds. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
