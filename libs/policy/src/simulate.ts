import { decideCanonical } from './decide.js';
import type { Decision, Outcome } from './decision.js';
import { canonicalFacts, malformed, unknownTo } from './facts.js';
import type { CanonicalFacts, PolicyFacts } from './facts.js';
import { DecisionMemo } from './memo.js';
import { mentionsOf } from './mentions.js';
import type { Path } from './mentions.js';
import type { PolicySet } from './policy-set.js';
import { factAt } from './projection.js';

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
  /** By what the rules of either set look at: requests that agree in it are decided alike. */
  private readonly memo = new DecisionMemo<Both>(50_000);
  private readonly paths: readonly Path[];
  /** Lifetimes that rules compare with, in order; undefined when a rule does more with a lifetime than compare it. */
  private readonly lifetimes: readonly number[] | undefined;
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
    const mentions = [active, draft].map(({ rules }) => mentionsOf(rules.values()));
    this.paths = [...new Set(mentions.flatMap(({ paths }) => [...paths.values()].flatMap((its) => [...its])))];
    const compared = mentions.flatMap(({ integers }) => [...(integers.get('context.ttlSeconds') ?? [])]);
    this.lifetimes = mentions.some(({ opaque }) => opaque.size > 0) ? undefined : [...new Set(compared)].sort((one, other) => one - other);
    for (const before of Object.keys(rank)) for (const after of Object.keys(rank)) this.matrix[`${before}→${after}`] = 0;
  }

  /** Adds requests and answers how many were added so far. */
  addRequests(requests: Iterable<StoredRequest>): number {
    for (const { requestId, facts } of requests) this.add(requestId, canonical(facts));
    return this.requests;
  }

  addTokens(tokens: Iterable<LiveToken>): void {
    for (const { tokenId, facts } of tokens) {
      const { outcome } = this.bothOf(canonical(facts)).after;
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

  private add(requestId: string, facts: CanonicalFacts): void {
    const { before, after } = this.bothOf(facts);
    this.requests++;
    this.matrix[`${before.outcome}→${after.outcome}`]!++;
    this.votesSaved += votesOf(before) - votesOf(after);
    const fewer = before.outcome === 'hold' && after.outcome === 'hold'
      && Object.entries(before.require!).some(([group, count]) => (after.require![group] ?? 0) < count);
    if (fewer) this.fewerApprovers++;
    this.loosened ||= fewer || rank[after.outcome] > rank[before.outcome];
    if (before.outcome === after.outcome) return;
    this.flipped++;
    const newlyAutomaticSensitive = after.outcome === 'approve' && isSensitive(this.draft, facts);
    if (newlyAutomaticSensitive) this.sensitive++;
    if (this.flips.length < maxListed) this.flips.push({ requestId, before: before.outcome, after: after.outcome, newlyAutomaticSensitive, rules: after.because.map(({ id }) => id) });
  }

  private bothOf(facts: CanonicalFacts): Both {
    const decided = (): Both => ({ before: decideCanonical(this.active, facts), after: decideCanonical(this.draft, facts) });
    // What a catalog does not know is denied without asking a rule, and has no facts that rules could look at.
    if (unknownTo(this.active.catalog, facts) ?? unknownTo(this.draft.catalog, facts)) return decided();
    const key = [this.active, this.draft].flatMap(({ catalog }) => this.paths.map((path) => (
      path === 'context.ttlSeconds' ? this.stretchOf(facts.ttlSeconds) : factAt(catalog, path, facts)
    ))).join('\u0000');
    const both = this.memo.get(key) ?? decided();
    this.memo.set(key, both);
    return both;
  }

  /** Between two numbers that rules compare with, no rule tells one lifetime from another. */
  private stretchOf(ttlSeconds: number): string {
    if (!this.lifetimes) return String(ttlSeconds);
    const at = this.lifetimes.findIndex((lifetime) => ttlSeconds <= lifetime);
    return this.lifetimes[at] === ttlSeconds ? `${at}` : `below ${at}`;
  }
}

interface Both {
  readonly before: Decision;
  readonly after: Decision;
}

function canonical(facts: PolicyFacts | CanonicalFacts): CanonicalFacts {
  if (malformed(facts)) throw new RangeError('a stored request holds malformed facts');
  return canonicalFacts(facts);
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
