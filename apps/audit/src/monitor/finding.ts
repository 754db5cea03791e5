/** What is wrong with the log, by a code that never changes its meaning. */
export type FindingCode =
  /** An entry, its place, or the columns that searches use are not what was published or hashed. */
  | 'entry-missing' | 'entry-differs' | 'index-differs' | 'tile-differs'
  /** An event was never recorded: a number of its producer, or an ordinal of its token, is missing. */
  | 'counter-gap' | 'counter-twice' | 'ordinal-gap' | 'link-broken'
  /** What a digest stands for is gone, and nobody recorded an erasure; or it is not what the digest says. */
  | 'opening-missing' | 'opening-differs'
  /** The log is shorter than it once was, or a service says nothing any more. */
  | 'rolled-back' | 'service-silent'
  /** The publisher or the signer found another tree than the one that was signed. */
  | 'head-differs';

export interface Finding {
  code: FindingCode;
  detail: string;
  /** The entry concerned. */
  index?: number;
}

/** Places that are known to have lost openings, by a leaf that says so. */
export class Gone {
  private readonly ranges: (readonly [first: number, last: number])[];

  constructor(ranges: readonly (readonly [number, number])[]) {
    this.ranges = [...ranges].sort((a, b) => a[0] - b[0]);
  }

  has(index: number): boolean {
    return this.ranges.some(([first, last]) => first <= index && index <= last);
  }
}
