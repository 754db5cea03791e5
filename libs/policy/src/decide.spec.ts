import fc from 'fast-check';
import { anyone, load, readInDev, runs, sampleFacts, sampleFiles, smallFiles } from '../test/sets.js';
import { canonicalJson, digestOf } from '@writ/contracts/canonical';
import { combine } from './combine.js';
import { decide } from './decide.js';
import { engine } from './engine.js';
import type { Answer, PolicyEngine } from './engine.js';
import { explain } from './explain.js';
import type { PolicyFacts } from './facts.js';
import { withNearest } from './nearest.js';
import { loadPolicySet } from './policy-set.js';
import { replay } from './replay.js';
import type { CedarRequest } from './schema.js';

const sample = load(sampleFiles);
const small = load(smallFiles(readInDev));

describe('a decision', () => {
  it.each<[string, Partial<PolicyFacts>, string]>([
    ['an unknown resource', { resource: 'ordres' }, 'unknown-resource'],
    ['an unknown scope', { scopes: ['orders:read', 'orders:burn'] }, 'unknown-scope'],
    ['a wildcard', { scopes: ['*'] }, 'unknown-scope'],
    ['a wildcard within a scope', { scopes: ['orders:*'] }, 'unknown-scope'],
    ['an unknown environment', { environment: 'staging' }, 'unknown-environment'],
    ['another audience', { audience: 'billing' }, 'wrong-audience'],
    ['a resource named like a method', { resource: 'constructor' }, 'unknown-resource'],
    ['a scope named like a method', { scopes: ['toString'] }, 'unknown-scope'],
    ['no scopes', { scopes: [] }, 'invalid-facts'],
    ['no lifetime', { ttlSeconds: 0 }, 'invalid-facts'],
    ['a lifetime that is no number', { ttlSeconds: NaN }, 'invalid-facts'],
    ['a lifetime past exact integers', { ttlSeconds: 2 ** 60 }, 'invalid-facts'],
    ['shrinking what is not replaced', { shrinkOnly: true }, 'invalid-facts'],
    ['half a surrogate', { submitter: '\ud800' }, 'invalid-facts'],
  ])('denies %s', (_title, change, code) => {
    expect(decide(small, { ...anyone, ...change })).toMatchObject({ outcome: 'deny', code, because: [], obligations: {} });
  });

  it('is the same for facts written in another order or twice', () => {
    const a = decide(sample, { ...anyone, scopes: ['orders:write', 'orders:read'] });
    const b = decide(sample, { ...anyone, scopes: ['orders:read', 'orders:write', 'orders:read'], audience: 'orders' });
    expect(b).toEqual(a);
    expect(a.inputDigest).toBe(digestOf(a.input));
  });

  it('asks two of security for writing to production, and lets it live a day', () => {
    expect(decide(sample, { ...anyone, environment: 'prod', scopes: ['orders:write'], ttlSeconds: 7 * 86_400 })).toMatchObject({
      outcome: 'hold', code: 'review-required', require: { security: 2 }, slaSeconds: 4 * 3_600,
      because: [{ id: 'prod-write', ref: 'SEC-12' }], obligations: { maxTtlSeconds: 86_400, rotateSeconds: 43_200, graceSeconds: 600 },
    });
  });

  it('says in plain words which rules decided, and what would be approved', () => {
    const held = withNearest(sample, decide(sample, { ...anyone, environment: 'prod', scopes: ['orders:read', 'orders:write'], ttlSeconds: 7 * 86_400 }));
    expect(explain(held).join('\n')).toMatch(/writing to production needs two pairs of eyes \(SEC-12\)[^]*Instead: It would be approved automatically if asked without orders:write\./);
  });

  it('is replayed to the byte from its record', () => {
    fc.assert(fc.property(sampleFacts, fc.boolean(), (facts, nearest) => {
      const plain = decide(sample, facts);
      const record = JSON.parse(JSON.stringify(nearest ? withNearest(sample, plain) : plain));
      expect(replay(record, sample)).toMatchObject({ same: true, differences: [] });
      expect(replay({ ...record, outcome: 'approve', code: 'auto-approved' }, sample).same).toBe(plain.outcome === 'approve');
    }), { numRuns: runs(1_000) });
  });

  it('is not replayed under another set', () => {
    expect(replay(decide(sample, anyone), small)).toMatchObject({ same: false, differences: [expect.stringContaining('policyDigest')] });
  });
});

describe('the combination of answers (G9)', () => {
  const ids = [...sample.rules.keys()];
  const answer: fc.Arbitrary<Answer> = fc.record({
    allowed: fc.boolean(),
    satisfied: fc.subarray([...ids, 'unknown']),
    errors: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(fc.record({ rule: fc.option(fc.constantFrom(...ids, 'unknown'), { nil: undefined }), message: fc.constant('broken') }), { maxLength: 3 })),
  });

  it('approves only what a permit satisfied, without any error and any rule to the contrary', () => {
    fc.assert(fc.property(answer, answer, answer, (consider, autoApprove, oblige) => {
      const { outcome, because, require } = combine(sample.rules, 'orders', { consider, autoApprove, oblige });
      const kinds = (found: Answer, question: string, effect: string): string[] => found.satisfied.filter((id) => sample.rules.get(id)?.question === question && sample.rules.get(id)?.effect === effect);
      const denied = kinds(consider, 'consider', 'forbid').length > 0;
      const reviewed = kinds(autoApprove, 'autoApprove', 'forbid').length > 0;
      const permitted = kinds(autoApprove, 'autoApprove', 'permit').length > 0;
      const broken = [consider, autoApprove, oblige].some(({ errors }) => errors.length > 0) || !consider.allowed;
      expect(outcome === 'deny').toBe(denied);
      if (outcome === 'approve') {
        expect({ reviewed, broken, allowed: autoApprove.allowed, permitted }).toEqual({ reviewed: false, broken: false, allowed: true, permitted: true });
        expect(because.length).toBeGreaterThan(0);
      }
      if (outcome === 'hold') expect(Object.values(require!).every((count) => count >= 1 && count <= 5) && Object.keys(require!).length > 0).toBe(true);
    }), { numRuns: 2_000 });
  });

  it('asks each group for the most any satisfied rule wants, and obliges to the least', () => {
    fc.assert(fc.property(fc.subarray([...sample.rules.values()].filter(({ review }) => review), { minLength: 1 }), fc.subarray([...sample.rules.values()].filter(({ question }) => question === 'oblige')), (reviews, oblige) => {
      const yes = { allowed: true, satisfied: [], errors: [] };
      const { require, slaSeconds, obligations } = combine(sample.rules, 'orders', { consider: yes, autoApprove: { allowed: false, satisfied: reviews.map(({ id }) => id), errors: [] }, oblige: { ...yes, satisfied: oblige.map(({ id }) => id) } });
      for (const { review } of reviews) expect(require![review!.group]).toBeGreaterThanOrEqual(review!.approvers);
      expect(slaSeconds).toBe(Math.min(...reviews.map(({ review }) => review!.slaSeconds!)));
      expect(obligations.maxTtlSeconds ?? Infinity).toBe(Math.min(Infinity, ...oblige.map((rule) => rule.obligations.maxTtlSeconds!)));
    }), { numRuns: 200 });
  });
});

describe('whatever breaks, nothing turns into a yes (G9):', () => {
  const never = fc.sample(fc.anything({ maxDepth: 1 }), 200);

  /** Breaks one thing of what Cedar is given. */
  function breakOne(request: CedarRequest, random: number): CedarRequest {
    const broken = structuredClone(request) as unknown as Record<string, never>;
    const places: [Record<string, unknown>, string][] = [];
    const visit = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, child] of Object.entries(node)) {
        places.push([node as Record<string, unknown>, key]);
        visit(child);
      }
    };
    visit(broken);
    const [holder, key] = places[random % places.length]!;
    const kind = Math.floor(random / places.length) % 4;
    if (kind === 0) Reflect.deleteProperty(holder, key);
    else if (kind === 1) holder[key] = null;
    else if (kind === 2) holder[key] = never[random % never.length];
    else holder[key] = Number.MAX_SAFE_INTEGER;
    return broken as unknown as CedarRequest;
  }

  it('an entity or a context broken in one place', () => {
    let errors = 0;
    fc.assert(fc.property(sampleFacts, fc.nat(), fc.constantFrom('consider', 'autoApprove', 'oblige', 'all'), (facts, random, where) => {
      const breaking: PolicyEngine = { ...engine, version: engine.version, decide: (rules, question, request) => engine.decide(rules, question, where === 'all' || where === question ? breakOne(request, random) : request) };
      const decision = decide(sample, facts, breaking);
      if (decision.errors.length === 0) return;
      errors++;
      expect(decision.outcome).not.toBe('approve');
    }), { numRuns: runs(60_000) });
    expect(errors).toBeGreaterThan(runs(10_000));
  });

  it('facts broken in one place', () => {
    fc.assert(fc.property(sampleFacts, fc.nat(), (facts, random) => {
      const broken = breakOne(facts as unknown as CedarRequest, random) as unknown as PolicyFacts;
      const decision = decide(sample, broken);
      if (decision.outcome !== 'approve') return;
      // Still a request that could have been made: then it is decided as any other.
      expect(replay(decision, sample).same).toBe(true);
      expect(sample.catalog.resources.get(broken.resource)!.environments.has(broken.environment)).toBe(true);
    }), { numRuns: runs(36_000) });
  });

  it('anything at all in place of facts', () => {
    fc.assert(fc.property(fc.anything(), (value) => {
      expect(decide(sample, value as PolicyFacts)).toMatchObject({ outcome: 'deny', code: 'invalid-facts' });
    }), { numRuns: runs(2_000) });
  });

  it('a rule broken in one character', () => {
    const text = sampleFiles['review.cedar']!;
    fc.assert(fc.property(sampleFacts, fc.nat(text.length - 1), fc.constantFrom('', '"', ';', ' ', '>', '!', '0', 'x', '(', '}', '*'), (facts, at, letter) => {
      const { set, problems } = loadPolicySet({ ...sampleFiles, 'review.cedar': text.slice(0, at) + letter + text.slice(at + 1) });
      if (!set) return void expect(problems.length).toBeGreaterThan(0);
      const decision = decide(set, facts);
      if (decision.errors.length > 0) expect(decision.outcome).not.toBe('approve');
    }), { numRuns: runs(2_000) });
  });
});

describe('the digest of a set', () => {
  it('depends on the text of every file and on nothing else', () => {
    const reversed = Object.fromEntries(Object.entries(sampleFiles).reverse());
    expect(loadPolicySet(reversed).digest).toBe(sample.digest);
    expect(loadPolicySet({ ...sampleFiles, 'deny.cedar': `${sampleFiles['deny.cedar']} ` }).digest).not.toBe(sample.digest);
    expect(sample.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('is taken over the form of RFC 8785', () => {
    expect(canonicalJson({ b: 1, a: ['é', true, null], '€': '\u000f' })).toBe('{"a":["é",true,null],"b":1,"€":"\\u000f"}');
  });
});
