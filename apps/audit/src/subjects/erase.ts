/** Places within entries, by the entry: among the digests of its leaf, or among the records of its batch. */
export type Places = ReadonlyMap<number, readonly number[]>;

/** What one leaf says was erased. */
export interface ErasedText {
  entries?: string;
  uses?: string;
}

/** So much text one leaf holds; more is said by several. */
const longestText = 40_000;

/** Writes what was erased, cut into leaves: at least one, and `7:0-2,4 9:1` is the digests 0 to 2 and 4 of entry 7, and 1 of entry 9. */
export function erasedTexts(entries: Places, uses: Places): ErasedText[] {
  const texts: ErasedText[] = [];
  let left = 0;
  for (const [kind, places] of [['entries', entries], ['uses', uses]] as const) {
    for (const [index, own] of [...places].sort(([a], [b]) => a - b)) {
      const word = `${index}:${rangesOf(own)}`;
      if (word.length >= left) {
        texts.push({});
        left = longestText;
      }
      const last = texts.at(-1)!;
      last[kind] = last[kind] === undefined ? word : `${last[kind]} ${word}`;
      left -= word.length + 1;
    }
  }
  return texts.length > 0 ? texts : [{}];
}

/** Reads one text of {@link erasedTexts}. */
export function placesIn(text: string): Map<number, [first: number, last: number][]> {
  return new Map(text.split(' ').filter(Boolean).map((word) => {
    const [index, ranges = ''] = word.split(':');
    return [Number(index), ranges.split(',').map((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return [first!, last!] as [number, number];
    })];
  }));
}

function rangesOf(places: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const place of [...places].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === place - 1) last[1] = place;
    else ranges.push([place, place]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',');
}
