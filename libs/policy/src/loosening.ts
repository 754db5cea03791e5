import { canonicalJson } from '@writ/contracts/canonical';
import type { CanonicalFacts } from './facts.js';
import { boundariesOf, points, sizeOf } from './grid.js';
import { maxPoints } from './analysis.js';
import type { Verdict } from './combine.js';
import { unknownTo } from './facts.js';
import { mentionsOf } from './mentions.js';
import type { PolicySet } from './policy-set.js';
import { TruthTables } from './truth-tables.js';
import { requestInWords } from './words.js';

/** Whether a draft lets anything through that the active set does not, or with fewer people, or for longer. */
export interface Loosening {
  readonly loosened: boolean;
  /** In words: an example, or why nothing could be proven. */
  readonly statement: string;
  readonly example?: CanonicalFacts;
}

/**
 * How far the monitor may go has no safe direction: one stops honest people, the other lets thieves go. So any change of
 * it counts, and is said where nothing else is.
 */
export function loosening(active: PolicySet, draft: PolicySet): Loosening {
  const compared = compareRules(active, draft);
  const same = canonicalJson((active.response ?? null) as never) === canonicalJson((draft.response ?? null) as never);
  return compared.loosened || same ? compared : { loosened: true, statement: 'What the monitor may do by itself changes.' };
}

/**
 * Compares two sets over catalog × the boundary values of both. What cannot be compared counts as loosened, so that a
 * second person looks at it.
 */
function compareRules(active: PolicySet, draft: PolicySet): Loosening {
  const all = new Map([...active.rules].map(([id, rule]) => [`active ${id}`, { ...rule, id: `active ${id}` }]));
  for (const [id, rule] of draft.rules) all.set(id, rule);
  const mentions = mentionsOf(all.values());
  if (mentions.opaque.size > 0) return { loosened: true, statement: 'Some rules cannot be analysed, so this counts as loosened.' };
  const boundaries = boundariesOf(draft.catalog, mentions, [], active.catalog);
  if (typeof boundaries === 'string' || sizeOf(draft.catalog, boundaries) > maxPoints) return { loosened: true, statement: 'The sets are too large to compare, so this counts as loosened.' };

  const known = function* (): Generator<CanonicalFacts> {
    for (const facts of points(draft.catalog, boundaries)) if (!unknownTo(active.catalog, facts)) yield facts;
  };
  const before = new TruthTables(active, mentionsOf(active.rules.values()), known());
  const after = new TruthTables(draft, mentions, points(draft.catalog, boundaries));
  if (before.failures.length + after.failures.length > 0) return { loosened: true, statement: 'Some rules fail, so this counts as loosened.' };
  for (const facts of points(draft.catalog, boundaries)) {
    const now = after.combined(facts, after.satisfiedBy(facts));
    const was = unknownTo(active.catalog, facts) ? undefined : before.combined(facts, before.satisfiedBy(facts));
    const how = loosenedFrom(was, now);
    if (how) return { loosened: true, statement: `${how}: ${requestInWords(facts)}.`, example: facts };
  }
  return { loosened: false, statement: 'Nothing is approved that was not before, nor by fewer people, nor for longer.' };
}

const rank = { deny: 0, hold: 1, approve: 2 } as const;

function loosenedFrom(was: Verdict | undefined, now: Verdict): string | undefined {
  const before = was?.outcome ?? 'deny';
  if (rank[now.outcome] > rank[before]) return `${before} becomes ${now.outcome}`;
  if (!was || now.outcome === 'deny') return undefined;
  if (now.outcome === 'hold' && Object.entries(was.require ?? {}).some(([group, count]) => (now.require?.[group] ?? 0) < count)) return 'fewer people must agree';
  for (const name of ['maxTtlSeconds', 'rotateSeconds', 'graceSeconds'] as const) {
    if ((now.obligations[name] ?? Infinity) > (was.obligations[name] ?? Infinity)) return `the obligation ${name} grows`;
  }
  return undefined;
}
