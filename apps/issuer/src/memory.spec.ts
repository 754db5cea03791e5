import fc from 'fast-check';
import type { StateEntry } from '@writ/token';
import { Memory } from './memory.js';
import type { KnownToken } from './state-by-log.js';

const token = (tokenId: string, owner = 'alice') => ({ state: 'VALID', tokenId, owner }) as KnownToken;
const entry = (seq: number, more: Partial<StateEntry>): StateEntry => ({ seq, kind: 'revoke', at: '', reasonCode: 'x', ...more });

describe('a memory', () => {
  it('forgets every secret of a token that an entry concerns', () => {
    const memory = new Memory(10);
    memory.put('a', token('t1'), 1);
    memory.put('b', token('t1'), 1);
    memory.put('c', token('t2'), 1);
    memory.apply(entry(2, { tokenId: 't1', kind: 'retire', generation: 1 }));
    expect([memory.find('a'), memory.find('b'), memory.find('c')?.token.tokenId]).toEqual([undefined, undefined, 't2']);
  });

  it('does not know what was read before an epoch of its owner, or of everybody (G4)', () => {
    const memory = new Memory(10);
    memory.put('a', token('t1', 'alice'), 1);
    memory.put('b', token('t2', 'bob'), 1);
    memory.apply(entry(2, { kind: 'epoch', ownerId: 'alice' }));
    expect([memory.find('a'), memory.find('b')?.token.owner]).toEqual([undefined, 'bob']);
    memory.put('a', token('t1', 'alice'), 2);
    expect(memory.find('a')).toBeDefined();
    memory.apply(entry(3, { kind: 'epoch' }));
    expect([memory.find('a'), memory.find('b')]).toEqual([undefined, undefined]);
  });

  it('holds no more than it may, and keeps what is used', () => {
    const memory = new Memory(3);
    for (const name of ['a', 'b', 'c']) memory.put(name, token(name), 1);
    memory.find('a');
    memory.put('d', token('d'), 1);
    expect(memory.size).toBe(3);
    expect(memory.find('a')).toBeDefined();
    expect(memory.find('b')).toBeUndefined();
  });

  it('never finds, whatever happened, what an entry after its reading concerns (G4)', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      fc.record({ put: names, owner: fc.constantFrom('alice', 'bob') }), fc.record({ revoke: names }), fc.record({ epoch: fc.constantFrom('alice', 'bob', undefined) }), fc.record({ find: names }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new Memory(3);
      const stopped = new Map<string, boolean>();
      let seq = 0;
      for (const one of steps) {
        if ('put' in one) {
          memory.put(one.put, token(one.put, one.owner), seq);
          stopped.set(one.put, false);
        } else if ('revoke' in one) {
          memory.apply(entry(++seq, { tokenId: one.revoke }));
          stopped.set(one.revoke, true);
        } else if ('epoch' in one) {
          memory.apply(entry(++seq, { kind: 'epoch', ...(one.epoch ? { ownerId: one.epoch } : {}) }));
          for (const name of stopped.keys()) if (one.epoch === undefined || memory.find(name)?.token.owner === one.epoch) stopped.set(name, true);
        } else if (memory.find(one.find) && stopped.get(one.find) !== false) return false;
      }
      return memory.size <= 3;
    }));
  });
});
