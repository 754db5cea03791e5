import type { Leaf } from '../entries/leaf.js';

/** That somebody was forgotten, as a leaf says it: never whom. */
export interface Erasure {
  index: number;
  basis: string;
  /** The entries that lost something, as ranges. */
  entries: string;
}

/** What a leaf says of an erasure; undefined where it is another one. */
export function erasureIn(index: number, { type, data }: Leaf): Erasure | undefined {
  const text = (name: string) => (typeof data?.[name] === 'string' ? data[name] : '');
  return type === 'pii.erased' ? { index, basis: text('basis'), entries: text('entries') } : undefined;
}
