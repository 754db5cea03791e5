import fc from 'fast-check';
import { anyone, load, runs, sampleFacts, sampleFiles, smallFiles } from '../test/sets.js';
import { canonicalJson } from '@writ/contracts/canonical';
import { decide, decideCanonical, wouldApprove } from './decide.js';
import { canonicalFacts } from './facts.js';
import type { CanonicalFacts } from './facts.js';
import { nearestApprovable, withNearest } from './nearest.js';
import type { PolicySet } from './policy-set.js';

const sample = load(sampleFiles);
/** Rules that look at single scopes, at stretches of lifetimes and at names, so that what is near is not obvious. */
const crooked = load(smallFiles(`
@id("a") @reason("r") permit (principal, action == Action::"autoApprove", resource)
when { context.sensitivity == "development" && context.ttlSeconds <= 86400 && !context.scopes.contains("orders:export") };
@id("b") @reason("r") permit (principal, action == Action::"autoApprove", resource)
when { ["read"].containsAll(context.tiers) && context.ttlSeconds > 100 && context.ttlSeconds < 200 };
@id("c") @reason("r") permit (principal, action == Action::"autoApprove", resource)
when { context.scopes.containsAll(["orders:write", "orders:export"]) && context.environment == "dev" && context.ttlSeconds == 50 };
@id("d") @reason("r") forbid (principal, action == Action::"consider", resource)
when { context.scopes.contains("orders:admin") && context.ttlSeconds > 43200 };
`));
const crookedFacts = fc.record({
  scopes: fc.subarray(['orders:read', 'orders:export', 'orders:write', 'orders:admin'], { minLength: 1 }),
  environment: fc.constantFrom('dev', 'prod'),
  ttlSeconds: fc.oneof(fc.constantFrom(1, 49, 50, 51, 100, 101, 199, 200, 43_200, 43_201, 86_400, 86_401), fc.integer({ min: 1, max: 100_000 })),
}).map((part) => ({ ...anyone, ...part }));

/** Requests of people in good standing: of others nothing near is approved. */
const calmFacts = sampleFacts.map((facts) => ({ ...facts, requester: { ...facts.requester, openIncidents: 0, trust: 'normal' as const } }));

/** Every request that changes less than the suggestion: more of its scopes, more of its lifetime, or not the environment. */
function smaller(from: CanonicalFacts, to: CanonicalFacts): CanonicalFacts[] {
  const dropped = from.scopes.filter((scope) => !to.scopes.includes(scope));
  const lifetimes = new Set([to.ttlSeconds, Math.min(to.ttlSeconds + 1, from.ttlSeconds), Math.floor((to.ttlSeconds + from.ttlSeconds) / 2), from.ttlSeconds]);
  return Array.from({ length: 2 ** dropped.length }, (_, i) => [...to.scopes, ...dropped.filter((_scope, bit) => (i >> bit) & 1)].sort())
    .flatMap((scopes) => [...lifetimes].map((ttlSeconds) => ({ ...from, scopes, ttlSeconds })))
    .flatMap((part) => [...new Set([from.environment, to.environment])].map((environment) => ({ ...part, environment })))
    .filter((candidate) => canonicalJson(candidate) !== canonicalJson(to));
}

describe.each<[string, PolicySet, fc.Arbitrary<typeof anyone>, number]>([['sample', sample, calmFacts, 200], ['crooked', crooked, crookedFacts, 800]])('the nearest approvable request (%s set)', (_name, set, facts, wanted) => {
  it('is approved when resubmitted, and no smaller change is', () => {
    let suggested = 0;
    for (const asked of fc.sample(facts, { numRuns: 20 * wanted, seed: 11 })) {
      const decision = withNearest(set, decide(set, asked));
      if (!decision.nearest) continue;
      expect(decide(set, decision.nearest.facts)).toMatchObject({ outcome: 'approve' });
      expect(decision.nearest.changes.length).toBeGreaterThan(0);
      const less = smaller(decision.input!, decision.nearest.facts);
      for (let i = suggested % 5; i < less.length; i += 5) expect(decideCanonical(set, less[i]!).outcome).not.toBe('approve');
      if (++suggested === wanted) break;
    }
    expect(suggested).toBe(wanted);
  }, 60_000);

  it('is missing only where nothing near is approved', () => {
    fc.assert(fc.property(facts, fc.integer({ min: 1 }), fc.nat(), (asked, lifetime, scope) => {
      const decision = withNearest(set, decide(set, asked));
      if (decision.outcome === 'approve' || decision.nearest) return;
      const kept = decision.input!.scopes.filter((_scope, bit) => ((scope + 1) >> bit) & 1);
      for (const environment of ['dev', 'prod']) {
        const candidate = { ...decision.input!, environment, scopes: kept.length > 0 ? kept : decision.input!.scopes, ttlSeconds: 1 + (lifetime % asked.ttlSeconds) };
        expect(decideCanonical(set, candidate).outcome).not.toBe('approve');
      }
    }), { numRuns: runs(1_000) });
  });

  it('is looked for by asking less than a decision does, with the same answer', () => {
    fc.assert(fc.property(facts, (asked) => {
      expect(wouldApprove(set, canonicalFacts(asked))).toBe(decide(set, asked).outcome === 'approve');
    }), { numRuns: runs(3_000) });
  });
});

describe('the nearest approvable request', () => {
  it('leaves out a scope the catalog does not know', () => {
    expect(nearestApprovable(sample, canonicalFacts({ ...anyone, scopes: ['orders:read', 'orders:*'] }))).toMatchObject({
      facts: { scopes: ['orders:read'] }, changes: [{ kind: 'fewer-scopes', without: ['orders:*'] }],
    });
  });

  it('names another environment when the one asked for does not exist', () => {
    expect(nearestApprovable(sample, canonicalFacts({ ...anyone, environment: 'staging' }))!.words).toBe('It would be approved automatically if asked in dev instead of staging.');
  });

  it('is nothing for an unknown resource', () => {
    expect(nearestApprovable(sample, canonicalFacts({ ...anyone, resource: 'ordres', scopes: ['x'] }))).toBeUndefined();
  });
});
