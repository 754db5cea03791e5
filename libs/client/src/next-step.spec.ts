import fc from 'fast-check';
import { nextStep, type Seen } from './next-step.js';

const rot = (n: number) => `rot_${n}` as never;
const token = (state: Seen['token']['state'], ...generations: [number, Seen['token']['generations'][number]['state']][]): Seen['token'] => ({
  state, generations: generations.map(([n, each]) => ({ generation: n + 1, state: each, ...(n > 0 ? { rotationId: rot(n) } : {}) })),
});
const claim = (n: number, done: boolean) => ({ tokenId: 'tok_1' as never, key: 'k', done, ...(n > 0 ? { rotationId: rot(n) } : {}) });

describe('what a consumer does next', () => {
  it.each<[string, Seen, ReturnType<typeof nextStep>]>([
    ['claims the first secret', { token: token('issued', [0, 'claimable']), hasSecret: false, claim: undefined }, { do: 'claim' }],
    ['claims the successor of a rotation', { token: token('active', [0, 'used'], [1, 'claimable']), hasSecret: true, claim: undefined }, { do: 'claim', rotationId: rot(1) }],
    ['repeats a claim that was cut off before anything else', { token: token('active', [0, 'used'], [1, 'delivered']), hasSecret: true, claim: claim(1, false) }, { do: 'claim', rotationId: rot(1) }],
    ['keeps the old secret until the new one has been used', { token: token('active', [0, 'used'], [1, 'delivered']), hasSecret: true, claim: claim(1, true) }, { do: 'wait', why: 'unused' }],
    ['forgets the old secret once the new one has been used', { token: token('active', [0, 'used'], [1, 'used']), hasSecret: true, claim: claim(1, true) }, { do: 'settle' }],
    ['goes back to the old secret when the rotation was stopped', { token: token('active', [0, 'used']), hasSecret: true, claim: claim(1, true) }, { do: 'revert' }],
    ['waits while the token is suspended', { token: token('suspended', [0, 'used'], [1, 'claimable']), hasSecret: true, claim: undefined }, { do: 'wait', why: 'suspended' }],
    ['forgets old secrets that have ended, so that it never goes back to one', { token: token('active', [0, 'retired'], [1, 'delivered']), hasSecret: true, claim: claim(1, true) }, { do: 'settle' }],
    ['forgets the old secret before it claims the next one', { token: token('active', [0, 'used'], [1, 'used'], [2, 'claimable']), hasSecret: true, claim: claim(1, true) }, { do: 'settle' }],
    ['waits with a claim that was cut off while the token is suspended', { token: token('suspended', [0, 'used'], [1, 'delivered']), hasSecret: true, claim: claim(1, false) }, { do: 'wait', why: 'suspended' }],
    ['ends with the token', { token: token('revoked'), hasSecret: true, claim: claim(1, false) }, { do: 'end', why: 'revoked' }],
    ['says that nobody gave it the secret', { token: token('active', [0, 'used']), hasSecret: false, claim: undefined }, { do: 'wait', why: 'no-secret' }],
  ])('%s', (_name, seen, step) => {
    expect(nextStep(seen)).toEqual(step);
  });

  it('never claims again what it has claimed, whatever the issuer says: a second session would end the token', () => {
    const states = fc.constantFrom('claimable', 'delivered', 'used', 'retired' as const);
    fc.assert(fc.property(fc.constantFrom('issued', 'active' as const), fc.array(states, { maxLength: 3 }), fc.nat(2), fc.boolean(), (state, generations, own, hasSecret) => {
      const step = nextStep({ token: token(state as 'active', ...generations.map((each, n): [number, never] => [n, each as never])), hasSecret, claim: claim(own, true) });
      if (step.do === 'claim') expect(step.rotationId).not.toBe(own > 0 ? rot(own) : undefined);
    }));
  });
});
