import type { Leaf } from '../entries/leaf.js';
import { placesIn } from '../subjects/erase.js';

/** What is wrong with the log, by a code that never changes its meaning. */
export type FindingCode =
  /** An entry, its place, or the columns that searches use are not what was published or hashed. */
  | 'entry-missing' | 'entry-differs' | 'index-differs' | 'tile-differs'
  /** An event was never recorded: a number of its producer, or an ordinal of its token, is missing. */
  | 'counter-gap' | 'counter-twice' | 'ordinal-gap' | 'link-broken'
  /** What a digest, or a record of a batch of uses, stands for is gone, and nobody recorded an erasure; or it is not what was recorded. */
  | 'opening-missing' | 'opening-differs'
  /** A token was used that was never issued. */
  | 'use-without-issue'
  /** The log is shorter than it once was, or a service says nothing any more. */
  | 'rolled-back' | 'service-silent'
  /** The publisher, the signer or an append found another tree than the one that was signed. */
  | 'head-differs'
  /** Nothing can be recorded: the clock is behind the newest entry. */
  | 'clock-behind'
  /** A witness was shown another log than this one. */
  | 'witness-differs';

export interface Finding {
  code: FindingCode;
  detail: string;
  /** The entry concerned. */
  index?: number;
}

type Range = readonly [first: number, last: number];

/** What is known to have lost its opening, by leaves that say so: places within entries, and whole entries. */
export class Gone {
  private readonly places = new Map<number, Range[]>();
  private readonly whole: Range[] = [];

  add(index: number, ranges: readonly Range[]): void {
    this.places.set(index, [...(this.places.get(index) ?? []), ...ranges]);
  }

  addWhole(first: number, last: number): void {
    this.whole.push([first, last]);
  }

  has(index: number, place: number): boolean {
    return within(this.whole, index) || within(this.places.get(index) ?? [], place);
  }
}

function within(ranges: readonly Range[], at: number): boolean {
  return ranges.some(([first, last]) => first <= at && at <= last);
}

export interface GoneOpenings {
  entries: Gone;
  uses: Gone;
}

/** Takes in what a leaf says is gone: an erasure names places, a recovery whole entries. */
export function takeGone({ entries, uses }: GoneOpenings, { type, data }: Leaf): void {
  if (type === 'log.recovered') for (const gone of [entries, uses]) gone.addWhole(Number(data?.from), Number(data?.to) - 1);
  if (type !== 'pii.erased') return;
  for (const [gone, text] of [[entries, data?.entries], [uses, data?.uses]] as const) {
    if (typeof text === 'string') for (const [index, ranges] of placesIn(text)) gone.add(index, ranges);
  }
}
