import { getCedarVersion } from '@cedar-policy/cedar-wasm/nodejs';
import { anyone, load, readInDev, smallFiles } from '../test/sets.js';
import { decide } from './decide.js';
import { engine } from './engine.js';
import type { EngineRule, PolicyEngine } from './engine.js';
import { engineVersion } from './engine-version.js';
import { canonicalFacts } from './facts.js';
import type { PolicySet } from './policy-set.js';
import { characterOffset, Source } from './problem.js';
import { splitRules } from './rule.js';
import { cedarRequest } from './schema.js';

const set = load(smallFiles(readInDev));
const request = cedarRequest(set.catalog, canonicalFacts(anyone));
/** A set with a rule that no check would have let in. */
const smuggled = (rule: EngineRule): PolicySet => ({ ...set, engineRules: { rules: [...set.engineRules.rules, rule] } });
const forbid = (id: string, question: EngineRule['question'], condition: string): EngineRule => ({ id, question, text: `forbid (principal, action, resource) when { ${condition} };` });

it('is the engine that decisions are stored with', () => {
  expect(engineVersion).toBe(`cedar ${getCedarVersion()}`);
});

describe('Cedar skips a forbid that fails, so G9 needs more than its decision:', () => {
  it('without the trap the request is approved', () => {
    expect(decide(set, anyone)).toMatchObject({ outcome: 'approve', errors: [] });
  });

  it.each([
    ['a missing attribute', 'context.nope == 1'],
    ['an overflow, which passes strict validation', 'context.ttlSeconds * 9223372036854775807 > 0'],
    ['an attribute of the wrong type', 'context.ttlSeconds like "x"'],
    ['an entity that is missing', 'Requester::"ghost".openIncidents > 0'],
    ['an address that is none', 'ip(principal.id).isLoopback()'],
  ])('holds for review: %s', (_title, condition) => {
    for (const question of ['consider', 'autoApprove'] as const) {
      const trapped = smuggled(forbid('trap', question, condition));
      expect(engine.decide(trapped.engineRules, question, request)).toMatchObject({ allowed: true, errors: [{ rule: 'trap' }] });
      expect(decide(trapped, anyone)).toMatchObject({ outcome: 'hold', code: 'evaluation-error', require: { orders: 1 }, errors: [{ rule: 'trap' }] });
    }
  });

  it('holds for review when an obligation fails, and keeps the obligation', () => {
    const failing = load(smallFiles(`${readInDev}@id("short") @reason("r") @max_ttl("PT5M") permit (principal, action == Action::"oblige", resource) when { context.ttlSeconds * 9223372036854775807 > 0 };`));
    expect(decide(failing, anyone)).toMatchObject({ outcome: 'hold', code: 'evaluation-error', obligations: { maxTtlSeconds: 300 } });
  });

  it('asks whom a failed review rule names', () => {
    const failing = load(smallFiles(`${readInDev}@id("two") @reason("r") @approvers("2") @group("security") forbid (principal, action == Action::"autoApprove", resource) when { context.ttlSeconds * 9223372036854775807 > 0 };`));
    expect(decide(failing, anyone)).toMatchObject({ outcome: 'hold', code: 'evaluation-error', require: { security: 2 } });
  });

  it('asks everybody any review rule names when the engine fails as a whole', () => {
    const reviewed = load(smallFiles(`${readInDev}@id("two") @reason("r") @approvers("2") @group("security") forbid (principal, action == Action::"autoApprove", resource) when { context.sensitivity == "production" };`));
    const broken: PolicyEngine = { ...engine, version: engine.version, decide: () => ({ allowed: true, satisfied: ['read'], errors: [{ message: 'out of memory' }] }) };
    expect(decide(reviewed, anyone, broken)).toMatchObject({ outcome: 'hold', code: 'evaluation-error', require: { security: 2 } });
  });
});

describe('the engine', () => {
  it('fails a request whose principal is missing instead of answering it', () => {
    const { errors } = engine.decide(smuggled(forbid('trap', 'autoApprove', 'principal.openIncidents > 0')).engineRules, 'autoApprove', { ...request, entities: [] });
    expect(errors).toMatchObject([{ rule: 'trap' }]);
  });

  it('refuses a context that is not of the schema', () => {
    const { allowed, errors } = engine.decide(set.engineRules, 'autoApprove', { ...request, context: { ...request.context, ttlSeconds: '600' } });
    expect({ allowed, failed: errors.length }).toEqual({ allowed: false, failed: 1 });
  });

  it('keeps our ids of rules', () => {
    expect(engine.decide(set.engineRules, 'autoApprove', request).satisfied).toEqual(['read']);
  });

  it('answers nothing by default, which is said in words', () => {
    const nothing = { ...anyone, environment: 'prod' };
    expect(decide(set, nothing)).toMatchObject({ outcome: 'hold', code: 'no-auto-rule', because: [], require: { orders: 1 } });
    expect(decide(set, nothing).message).toContain('No rule approves this by itself');
  });

  it('keeps two sets apart and any third', () => {
    const sets = [3600, 300, 60].map((most) => load(smallFiles(readInDev.replace('3600', String(most)))));
    const answers = (): string[] => sets.map((each) => decide(each, anyone).outcome);
    expect([...answers(), ...answers()]).toEqual(['approve', 'hold', 'hold', 'approve', 'hold', 'hold']);
  });

  it('holds no more memory after many sets than after few', () => {
    const swap = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const rules = Array.from({ length: 20 }, (_, n) => ({ id: `r${n}`, question: 'autoApprove' as const, text: `permit (principal, action, resource) when { context.ttlSeconds <= ${i * 20 + n} };` }));
        engine.load({ rules });
      }
    };
    swap(50);
    const before = process.memoryUsage().rss;
    swap(200);
    expect(process.memoryUsage().rss - before).toBeLessThan(15 * 1024 * 1024);
  });
});

describe('places', () => {
  it('turn bytes into characters', () => {
    const text = 'é—ü 😀 x';
    expect(text.slice(characterOffset(text, Buffer.byteLength('é—ü 😀 ')))).toBe('x');
    expect(new Source('f', `a\n${text}`).problem(2 + text.indexOf('x'), 'cedar-type', '')).toMatchObject({ line: 2, column: 7 });
  });

  it('are not misled by semicolons and rules in comments and strings', () => {
    const file = '// permit(principal, action, resource);\n@reason("a; \\" b // c") permit (principal, action, resource); // ;\n forbid (principal, action, resource) ; tail';
    expect(splitRules(file).map(({ text }) => text)).toEqual([
      '@reason("a; \\" b // c") permit (principal, action, resource);', 'forbid (principal, action, resource) ;', 'tail',
    ]);
  });
});
