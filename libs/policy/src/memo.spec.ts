import { anyone } from '../test/sets.js';
import { DecisionMemo } from './memo.js';

describe('a memo of decisions', () => {
  it('has one key for equal facts and another for any difference', () => {
    const key = DecisionMemo.keyOf({ ...anyone, scopes: ['orders:read', 'orders:export'] });
    expect(DecisionMemo.keyOf({ ...anyone, scopes: ['orders:export', 'orders:read', 'orders:read'], audience: 'orders', shrinkOnly: false })).toBe(key);
    for (const other of [{ ttlSeconds: 601 }, { submitter: 'svc:b' }, { environment: 'prod' }, { requester: { ...anyone.requester, openIncidents: 1 } }]) {
      expect(DecisionMemo.keyOf({ ...anyone, ...other })).not.toBe(DecisionMemo.keyOf(anyone));
    }
  });

  it('has no key for malformed facts', () => {
    expect(DecisionMemo.keyOf({ ...anyone, scopes: [] })).toBeUndefined();
  });

  it('forgets what was not asked for longest', () => {
    const memo = new DecisionMemo<number>(2);
    memo.set('a', 1);
    memo.set('b', 2);
    memo.get('a');
    memo.set('c', 3);
    expect(['a', 'b', 'c'].map((key) => memo.get(key))).toEqual([1, undefined, 3]);
  });
});
