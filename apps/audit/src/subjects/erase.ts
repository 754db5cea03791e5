/** So many places one leaf names; more are named by several leaves. */
export const placesPerLeaf = 5_000;

/** Writes ascending indices shortly: `3-7 9 12-13`. */
export function rangesOf(indices: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(' ');
}

/** Reads what {@link rangesOf} wrote. */
export function indicesIn(ranges: string): [first: number, last: number][] {
  return ranges.split(' ').filter(Boolean).map((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return [first!, last!];
  });
}
