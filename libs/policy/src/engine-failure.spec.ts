import { anyone, load, readInDev, smallFiles } from '../test/sets.js';
import { decide } from './decide.js';
import { engine } from './engine.js';
import { loadPolicySet } from './policy-set.js';

/** In a file of its own: the engine of this thread does not recover. */
describe('an engine that trapped', () => {
  const files = smallFiles(readInDev);
  const set = load(files);
  const chain = Array(600).fill('context.replaces').join(' || ');
  const trap = { id: 'trap', question: 'autoApprove' as const, text: `permit (principal, action, resource) when { ${chain} };` };

  it('holds what it was asked, and everything after it (G9)', () => {
    expect(decide(set, anyone).outcome).toBe('approve');
    const trapped = { ...set, engineRules: { rules: [...set.engineRules.rules, trap] } };
    expect(decide(trapped, anyone)).toMatchObject({ outcome: 'hold', code: 'evaluation-error' });
    expect(engine.failure).toContain('the engine failed');
    expect(decide(set, anyone)).toMatchObject({ outcome: 'hold', code: 'evaluation-error' });
  });

  it('lets no set through', () => {
    const result = loadPolicySet(files);
    expect(result.set).toBeUndefined();
    expect(result.problems).toMatchObject([{ code: 'cedar-syntax', message: expect.stringContaining('the engine failed') }]);
  });
});
