import { canonicalJson } from '@writ/contracts/canonical';
import type { Json } from './facts.js';
import { decideCanonical } from './decide.js';
import type { Decision } from './decision.js';
import { engine } from './engine.js';
import { withNearest } from './nearest.js';
import type { PolicySet } from './policy-set.js';

export interface Replay {
  /** True when the decision came out the same, to the byte. */
  readonly same: boolean;
  /** What the record says otherwise than the replay, by field; or why it cannot be replayed. */
  readonly differences: readonly string[];
  readonly decision?: Decision;
}

/** Makes a stored decision again from nothing but its record and the set it names. */
export function replay(record: Decision, set: PolicySet): Replay {
  if (!record.input) return { same: false, differences: ['the facts were malformed, so there is no input to replay'] };
  const obstacles = [
    record.policyDigest === set.digest ? [] : [`policyDigest: decided under ${record.policyDigest}, this set is ${set.digest}`],
    record.engineVersion === engine.version ? [] : [`engineVersion: decided by ${record.engineVersion}, this is ${engine.version}`],
  ].flat();
  if (obstacles.length > 0) return { same: false, differences: obstacles };
  const plain = decideCanonical(set, record.input);
  const decision = record.nearest === undefined ? plain : withNearest(set, plain);
  const fields = [...new Set([...Object.keys(record), ...Object.keys(decision)])] as (keyof Decision)[];
  const differences = fields
    .filter((field) => plainJson(record[field]) !== plainJson(decision[field]))
    .map((field) => `${field}: recorded ${plainJson(record[field])}, replayed ${plainJson(decision[field])}`);
  return { same: differences.length === 0, differences, decision };
}

function plainJson(value: unknown): string {
  return value === undefined ? 'nothing' : canonicalJson(value as Json);
}
