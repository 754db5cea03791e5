import fc from 'fast-check';
import { load, readInDev, runs, sampleFacts, sampleFiles, smallFiles } from '../test/sets.js';
import { alwaysAsserted, analyse } from './analysis.js';
import { decide, decideCanonical } from './decide.js';
import { canonicalFacts } from './facts.js';
import type { CanonicalFacts } from './facts.js';
import { boundariesOf, points, sizeOf } from './grid.js';
import { loosening } from './loosening.js';
import { mentionsOf } from './mentions.js';
import type { PolicyFiles, PolicySet } from './policy-set.js';
import { TruthTables } from './truth-tables.js';
import { witnesses } from './witnesses.js';
import type { Pattern } from './witnesses.js';

const sample = load(sampleFiles);
const named = load(smallFiles(`${readInDev}
@id("ci") @reason("r") permit (principal, action == Action::"autoApprove", resource)
when { principal.id like "svc:*-ci" && context.submitter == principal.id && context.scopes == ["orders:export"] };
@id("not-root") @reason("r") forbid (principal, action == Action::"consider", resource)
when { principal == Requester::"root" || principal in Team::"outlaws" };
@id("busy") @reason("r") @approvers("2") @group("security") forbid (principal, action == Action::"autoApprove", resource)
when { context has ttlSeconds && resource == Resource::"orders" && context.ttlSeconds > 7200 };
@id("short") @reason("r") @max_ttl("PT1H") permit (principal, action == Action::"oblige", resource)
unless { if context.ttlSeconds < 7200 then principal.knownTeam else false };
`));

const boundariesOrThrow = (set: PolicySet) => {
  const boundaries = boundariesOf(set.catalog, mentionsOf(set.rules.values()), []);
  if (typeof boundaries === 'string') throw new Error(boundaries);
  return boundaries;
};

describe('the analysis', () => {
  it.each([['sample', sample], ['named', named]])('combines rules tried alone to what deciding says (%s set)', (_name, set) => {
    const boundaries = boundariesOrThrow(set);
    const all = [...points(set.catalog, boundaries)];
    expect(all.length).toBe(sizeOf(set.catalog, boundaries));
    const tables = new TruthTables(set, mentionsOf(set.rules.values()), all);
    fc.assert(fc.property(fc.nat(all.length - 1), (i) => {
      const facts = all[i]!;
      const decision = decideCanonical(set, facts);
      const verdict = tables.combined(facts, tables.satisfiedBy(facts));
      expect({ ...verdict, because: verdict.because.map(({ id }) => id), obligedBy: verdict.obligedBy.map(({ id }) => id) }).toMatchObject({
        outcome: decision.outcome, code: decision.code, obligations: decision.obligations,
        because: decision.because.map(({ id }) => id), obligedBy: decision.obligedBy.map(({ id }) => id), ...(decision.require ? { require: decision.require } : {}),
      });
    }), { numRuns: runs(5_000) });
  });

  it('tries a request like any other: none is decided by rules that no request tried is decided by', () => {
    const mentions = mentionsOf(sample.rules.values());
    const all = [...points(sample.catalog, boundariesOrThrow(sample))];
    const tables = new TruthTables(sample, mentions, all);
    const decided = new Set(all.map((facts) => {
      const { outcome, because, obligedBy } = tables.combined(facts, tables.satisfiedBy(facts));
      return kind(facts, outcome, [...because, ...obligedBy]);
    }));
    fc.assert(fc.property(sampleFacts, (facts) => {
      const { outcome, because, obligedBy } = decide(sample, facts);
      expect(decided).toContain(kind(canonicalFacts(facts), outcome, [...because, ...obligedBy]));
    }), { numRuns: runs(5_000) });

    function kind({ resource, environment, scopes }: CanonicalFacts, outcome: string, rules: { id: string }[]): string {
      return [resource, environment, ...scopes, outcome, ...rules.map(({ id }) => id)].join(' ');
    }
  });

  it('says over what it is exhaustive', () => {
    const analysis = analyse(named);
    expect(analysis).toMatchObject({ exhaustive: true, assertions: [{ name: alwaysAsserted.name, holds: true }] });
    expect(analysis.statement).toMatch(/^Tried all \d+ requests of the catalog × the boundary values found in the rules/);
    expect(analysis.boundaries!.ttlSeconds).toEqual(expect.arrayContaining([1, 3_599, 3_600, 3_601, 7_199, 7_200, 7_201]));
    expect(analysis.boundaries!.requesters.some((id) => /^svc:.*-ci$/.test(id))).toBe(true);
    expect(analysis.boundaries!.teams.get('orders')).toEqual(['orders', 'outlaws', 'billing', 'unknown-team']);
  });

  it('gives a counter-example that is really approved', () => {
    const loose = load(smallFiles(`@id("p") @reason("r") permit (principal, action == Action::"autoApprove", resource) when { principal.id like "svc:*" && context.tiers.contains("admin") };`));
    const { counterExample } = analyse(loose).assertions[0]!;
    expect(counterExample).toMatchObject({ environment: 'prod', requester: { id: expect.stringMatching(/^svc:/) } });
    expect(decideCanonical(loose, counterExample!).outcome).toBe('approve');
  });

  it('finds an approval that one name alone would get', () => {
    const backdoor = load(smallFiles(`${readInDev}@id("p") @reason("r") permit (principal, action == Action::"autoApprove", resource) when { principal.id == "svc:x7" && context.submitter == "ci" && context.ttlSeconds == 4711 };`));
    expect(analyse(backdoor).assertions[0]).toMatchObject({ holds: false, counterExample: { submitter: 'ci', ttlSeconds: 4711, requester: { id: 'svc:x7' } } });
  });
});

describe('witnesses of patterns', () => {
  const piece = fc.constantFrom<string | null>('a', 'b', 'ab', null);
  const matches = (pattern: Pattern, text: string): boolean => new RegExp(`^${pattern.map((part) => part ?? '.*').join('')}$`).test(text);

  it('show every combination of matches that some text has', () => {
    fc.assert(fc.property(fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }), fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 }), (patterns, text) => {
      const vector = (candidate: string): string => patterns.map((pattern) => matches(pattern, candidate)).join();
      expect(witnesses(patterns)!.map(vector)).toContain(vector(text));
    }), { numRuns: runs(10_000) });
  });

  it('are given up when there are too many', () => {
    expect(witnesses(Array.from({ length: 14 }, (_, i) => [null, String.fromCharCode(97 + i), null]), 2, 1_000)).toBeUndefined();
  });
});

describe('loosening', () => {
  const one: PolicyFiles = { ...sampleFiles, 'catalog.yaml': sampleFiles['catalog.yaml']!.split('\n  billing:\n    description')[0]! };
  const active = load(one);
  const edited = (file: string, from: string, to: string): PolicySet => load({ ...one, [file]: one[file]!.replace(from, to) });

  it('is none between a set and itself', () => {
    expect(loosening(active, active)).toMatchObject({ loosened: false });
  });

  it.each([
    ['a longer automatic lifetime', 'approve.cedar', '2592000', '2592001', 'hold becomes approve'],
    ['fewer approvers', 'review.cedar', '@approvers("2")', '@approvers("1")', 'fewer people must agree'],
    ['another group', 'review.cedar', '@group("security")', '@group("orders")', 'fewer people must agree'],
    ['a denial taken back', 'deny.cedar', '31536000', '31536001', 'deny becomes'],
    ['a longer life', 'oblige.cedar', '@max_ttl("P1D")', '@max_ttl("P2D")', 'maxTtlSeconds grows'],
    ['a slower rotation', 'oblige.cedar', '@rotate("PT12H")', '@rotate("P1D")', 'rotateSeconds grows'],
    ['a scope called less than it is', 'catalog.yaml', 'orders:write: { tier: write', 'orders:write: { tier: read', 'becomes approve'],
    ['production called development', 'catalog.yaml', 'prod: { sensitivity: production }', 'prod: { sensitivity: development }', 'fewer people must agree'],
    ['one more known team', 'catalog.yaml', 'platform: {', 'strangers: { name: Strangers }\n  platform: {', 'hold becomes approve'],
  ])('sees %s', (_title, file, from, to, statement) => {
    const draft = edited(file, from, to);
    const found = loosening(active, draft);
    expect(found).toMatchObject({ loosened: true, statement: expect.stringContaining(statement) });
  });

  it.each([
    ['a shorter automatic lifetime', 'approve.cedar', '2592000', '2591999'],
    ['more approvers', 'review.cedar', '@approvers("2")', '@approvers("3")'],
    ['a denial widened', 'deny.cedar', '31536000', '3153600'],
    ['a shorter life', 'oblige.cedar', '@max_ttl("P1D")', '@max_ttl("PT1H")'],
  ])('is not %s', (_title, file, from, to) => {
    expect(loosening(active, edited(file, from, to)).loosened).toBe(false);
  });

  it('is assumed where nothing can be proven', () => {
    const opaque = load(smallFiles(`${readInDev}@id("x") @reason("r") forbid (principal, action == Action::"consider", resource) when { context.ttlSeconds * 2 > 7000 };`));
    expect(loosening(load(smallFiles(readInDev)), opaque)).toMatchObject({ loosened: true });
  });
});

it('says a counter-example in words', () => {
  expect(analyse(load(smallFiles(`@id("p") @reason("r") permit (principal, action == Action::"autoApprove", resource);`))).problems[0]!.message)
    .toBe('"no scope of tier write or admin in production is ever approved without a human" does not hold: anybody of team orders, asking for orders:admin on orders in prod for 1 second is approved by "p"');
});
