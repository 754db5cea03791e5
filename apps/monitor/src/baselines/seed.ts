import { packEntry, packNumbers } from './baseline.js';
import { networkHash, shortHash } from './observe.js';

/** What PostgreSQL knows of a token's past use. */
export interface Past {
  firstAt: Date;
  lastAt: Date;
  calls: number;
  peakMinute: number;
  peakHour: number;
  highDenied: number;
  sources: readonly { kind: string; value: string; firstAt: Date; lastAt: Date }[];
}

export type Fields = Record<string, Buffer | string>;

const limits: Record<string, [field: string, most: number]> = { network: ['N', 12], agent: ['A', 6] };
/** Roll-ups remember less than a baseline: for so long after a rebuild nothing more than notes. */
const learningSeconds = 3_600;

/**
 * The fields that a baseline starts with: of a token never used before, nothing but its first use; of one whose
 * baseline was lost, what the roll-ups still tell, so that neither loss nor restart of Redis makes strangers of all.
 */
export function seedOf(past: Past | undefined, { first, now }: { first: number; now: number }): Fields {
  if (!past) return { ...packNumbers({ firstUsedAt: first }) };
  const seconds = (time: Date) => Math.floor(time.getTime() / 1000);
  const fields: Fields = {
    ...packNumbers({ firstUsedAt: seconds(past.firstAt), lastUsedAt: seconds(past.lastAt), calls: past.calls, highMinute: past.peakMinute, highHour: past.peakHour, highDenied: past.highDenied }),
    l: String(now + learningSeconds),
  };
  for (const [kind, [letter, most]] of Object.entries(limits)) {
    const newest = past.sources.filter((source) => source.kind === kind).sort((a, b) => b.lastAt.getTime() - a.lastAt.getTime()).slice(0, most);
    for (const { value, firstAt, lastAt } of newest) {
      fields[letter + (kind === 'network' ? networkHash(value) : shortHash(value))] = packEntry(seconds(firstAt), seconds(lastAt), 1);
    }
  }
  return fields;
}
