import { decideCanonical } from './decide.js';
import type { Decision, Outcome } from './decision.js';
import { canonicalFacts } from './facts.js';
import type { CanonicalFacts, PolicyFacts } from './facts.js';
import { DecisionMemo } from './memo.js';
import type { PolicySet } from './policy-set.js';

/** A request of the past, as it was decided then. */
export interface StoredRequest {
  readonly requestId: string;
  readonly facts: PolicyFacts | CanonicalFacts;
}

/** A living token, as it would have to be asked for today; `ttlSeconds` is what is left of it. */
export interface LiveToken {
  readonly tokenId: string;
  readonly facts: PolicyFacts | CanonicalFacts;
}

export interface Flip {
  readonly requestId: string;
  readonly before: Outcome;
  readonly after: Outcome;
  /** Approved by itself under the draft, though it writes or administers, or touches production. */
  readonly newlyAutomaticSensitive: boolean;
  readonly rules: readonly string[];
}

/** What a draft would have done with the past. Every count is exact; lists hold the first {@link maxListed}. */
export interface SimulationReport {
  readonly activeDigest: string;
  readonly draftDigest: string;
  readonly requests: number;
  /** `approve→hold: 3` and so on, for all nine pairs. */
  readonly matrix: Readonly<Record<string, number>>;
  readonly flipped: number;
  readonly flips: readonly Flip[];
  readonly newlyAutomaticSensitive: number;
  /** Held under both, with fewer people to agree. */
  readonly fewerApprovers: number;
  /** Votes that people would not have had to cast, less those they would have had to cast more. */
  readonly votesSaved: number;
  readonly reviewHoursSaved: number;
  readonly minutesPerVote: number;
  readonly tokens: { readonly checked: number; readonly denied: readonly string[]; readonly deniedCount: number; readonly held: readonly string[]; readonly heldCount: number };
  /** Any flip towards yes, or fewer people to agree. */
  readonly loosened: boolean;
}

export const maxListed = 1_000;
const rank = { deny: 0, hold: 1, approve: 2 } as const;

/** Decides requests of the past under two sets and counts what differs; takes them in pieces of any size. */
export class Simulation {
  private readonly memo = new DecisionMemo<{ before: Decision; after: Decision }>(50_000);
  private readonly matrix: Record<string, number> = {};
  private readonly flips: Flip[] = [];
  private readonly tokens = { checked: 0, denied: [] as string[], deniedCount: 0, held: [] as string[], heldCount: 0 };
  private requests = 0;
  private flipped = 0;
  private sensitive = 0;
  private fewerApprovers = 0;
  private votesSaved = 0;
  private loosened = false;

  constructor(private readonly active: PolicySet, private readonly draft: PolicySet, private readonly minutesPerVote = 10) {
    for (const before of Object.keys(rank)) for (const after of Object.keys(rank)) this.matrix[`${before}→${after}`] = 0;
  }

  /** Adds requests and answers how many were added so far. */
  addRequests(requests: Iterable<StoredRequest>): number {
    for (const { requestId, facts } of requests) this.add(requestId, this.bothOf(facts));
    return this.requests;
  }

  addTokens(tokens: Iterable<LiveToken>): void {
    for (const { tokenId, facts } of tokens) {
      const { outcome } = this.bothOf(facts).after;
      this.tokens.checked++;
      if (outcome === 'approve') continue;
      const [list, count] = outcome === 'deny' ? (['denied', 'deniedCount'] as const) : (['held', 'heldCount'] as const);
      this.tokens[count]++;
      if (this.tokens[list].length < maxListed) this.tokens[list].push(tokenId);
    }
  }

  report(): SimulationReport {
    return {
      activeDigest: this.active.digest, draftDigest: this.draft.digest,
      requests: this.requests, matrix: { ...this.matrix }, flipped: this.flipped, flips: [...this.flips],
      newlyAutomaticSensitive: this.sensitive, fewerApprovers: this.fewerApprovers,
      votesSaved: this.votesSaved, reviewHoursSaved: (this.votesSaved * this.minutesPerVote) / 60, minutesPerVote: this.minutesPerVote,
      tokens: { ...this.tokens, denied: [...this.tokens.denied], held: [...this.tokens.held] },
      loosened: this.loosened,
    };
  }

  private add(requestId: string, { before, after }: { before: Decision; after: Decision }): void {
    this.requests++;
    this.matrix[`${before.outcome}→${after.outcome}`]!++;
    this.votesSaved += votesOf(before) - votesOf(after);
    const fewer = before.outcome === 'hold' && after.outcome === 'hold'
      && Object.entries(before.require!).some(([group, count]) => (after.require![group] ?? 0) < count);
    if (fewer) this.fewerApprovers++;
    this.loosened ||= fewer || rank[after.outcome] > rank[before.outcome];
    if (before.outcome === after.outcome) return;
    this.flipped++;
    const newlyAutomaticSensitive = after.outcome === 'approve' && isSensitive(this.draft, after.input!);
    if (newlyAutomaticSensitive) this.sensitive++;
    if (this.flips.length < maxListed) this.flips.push({ requestId, before: before.outcome, after: after.outcome, newlyAutomaticSensitive, rules: after.because.map(({ id }) => id) });
  }

  private bothOf(facts: PolicyFacts | CanonicalFacts): { before: Decision; after: Decision } {
    const key = DecisionMemo.keyOf(facts);
    if (key === undefined) throw new RangeError('a stored request holds malformed facts');
    const known = this.memo.get(key);
    if (known) return known;
    const input = canonicalFacts(facts);
    const both = { before: decideCanonical(this.active, input), after: decideCanonical(this.draft, input) };
    this.memo.set(key, both);
    return both;
  }
}

/** Simulates a draft over requests held in memory. See `simulateOnThread` for many. */
export function simulate(active: PolicySet, draft: PolicySet, requests: Iterable<StoredRequest>, tokens: Iterable<LiveToken> = []): SimulationReport {
  const simulation = new Simulation(active, draft);
  simulation.addRequests(requests);
  simulation.addTokens(tokens);
  return simulation.report();
}

function votesOf({ require }: Decision): number {
  return Object.values(require ?? {}).reduce((sum, count) => sum + count, 0);
}

/** Sensitive: writes or administers anything, or touches production at all. */
function isSensitive({ catalog }: PolicySet, facts: CanonicalFacts): boolean {
  const resource = catalog.resources.get(facts.resource)!;
  return resource.environments.get(facts.environment) === 'production' || facts.scopes.some((scope) => resource.scopes.get(scope) !== 'read');
}
