/** A text pattern in pieces; null stands for any run of characters. */
export type Pattern = readonly (string | null)[];

/** Stands for every character that no pattern names. */
const other = '~';

/**
 * Finds, for every combination of patterns that some text matches and no other, texts that do: the first `perClass` of
 * each in order of length. Exhaustive: it walks all reachable states of all patterns at once. Undefined beyond
 * `maxStates`, when the patterns overlap in too many ways to try them all.
 */
export function witnesses(patterns: readonly Pattern[], perClass = 2, maxStates = 5_000): string[] | undefined {
  const automata = [...new Map(patterns.map((pattern) => [JSON.stringify(pattern), compile(pattern)])).values()];
  const alphabet = [...new Set([...automata.flat().flatMap((step) => (typeof step === 'string' ? [step] : [])), other])];
  const start = automata.map((steps) => close(steps, new Set([0])));
  const found = new Map<string, string[]>();
  const seen = new Map<string, number>();
  let frontier: { text: string; states: Set<number>[] }[] = [{ text: '', states: start }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { text, states } of frontier) {
      for (const character of alphabet) {
        const moved = states.map((state, i) => move(automata[i]!, state, character));
        const key = moved.map((state) => [...state].sort((a, b) => a - b).join(',')).join(';');
        const visits = seen.get(key) ?? 0;
        if (visits >= perClass) continue;
        seen.set(key, visits + 1);
        if (seen.size > maxStates) return undefined;
        const grown = text + character;
        const vector = moved.map((state, i) => (state.has(automata[i]!.length) ? '1' : '0')).join('');
        const texts = found.get(vector) ?? [];
        if (texts.length < perClass) found.set(vector, [...texts, grown]);
        next.push({ text: grown, states: moved });
      }
    }
    frontier = next;
  }
  return [...found.values()].flat();
}

type Step = string | null;

function compile(pattern: Pattern): Step[] {
  return pattern.flatMap((piece): Step[] => (piece === null ? [null] : [...piece]));
}

/** Positions reachable without reading: a wildcard may stand for nothing. */
function close(steps: readonly Step[], positions: Set<number>): Set<number> {
  for (const position of positions) {
    if (steps[position] === null) positions.add(position + 1);
  }
  return positions;
}

function move(steps: readonly Step[], positions: ReadonlySet<number>, character: string): Set<number> {
  const moved = new Set<number>();
  for (const position of positions) {
    if (steps[position] === null) moved.add(position);
    else if (steps[position] === character) moved.add(position + 1);
  }
  return close(steps, moved);
}
