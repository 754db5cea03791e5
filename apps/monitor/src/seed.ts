import { networkHash, shortHash } from './observe.js';

/** What PostgreSQL knows of a token's past use. */
export interface Past {
  firstAt: Date;
  calls: number;
  peakMinute: number;
  peakHour: number;
  highDenied: number;
  sources: readonly { kind: string; value: string; firstAt: Date; lastAt: Date }[];
}

const limits: Record<string, [field: string, most: number]> = { network: ['N', 12], agent: ['A', 6] };
/** Roll-ups remember less than a baseline: for so long after a rebuild nothing more than notes. */
const learningSeconds = 3_600;

/**
 * The fields that a baseline starts with: of a token never used before, nothing but its first use; of one whose
 * baseline was lost, what the roll-ups still tell, so that neither loss nor restart of Redis makes strangers of all.
 */
export function seedOf(past: Past | undefined, { first, now }: { first: number; now: number }): Record<string, string> {
  if (!past) return { f: String(first) };
  const seconds = (time: Date) => Math.floor(time.getTime() / 1000);
  const minutes = (time: Date) => Math.floor(time.getTime() / 60_000);
  const fields: Record<string, string> = {
    f: String(seconds(past.firstAt)), n: String(past.calls), h: String(past.peakMinute), hh: String(past.peakHour), dh: String(past.highDenied),
    l: String(now + learningSeconds),
  };
  for (const [kind, [letter, most]] of Object.entries(limits)) {
    const newest = past.sources.filter((source) => source.kind === kind).sort((a, b) => b.lastAt.getTime() - a.lastAt.getTime()).slice(0, most);
    for (const { value, firstAt, lastAt } of newest) {
      fields[letter + (kind === 'network' ? networkHash(value) : shortHash(value))] = `${seconds(firstAt)}:${minutes(lastAt)}:1`;
    }
  }
  return fields;
}
