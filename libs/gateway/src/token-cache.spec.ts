import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { StateEntry, StateKind } from '@writ/token';
import { TokenCache, type CachedToken } from './token-cache.js';

const digestOf = (n: number) => createHash('sha256').update(String(n)).digest().toString('latin1');
const tokenOf = (n: number): CachedToken => ({
  state: 'VALID', tokenId: `tok_${n >> 1}`, owner: `owner-${n % 3}`, expiresAtMs: n,
  grant: { audience: 'orders', environment: 'dev', scopes: n % 2 ? ['orders:read'] : ['orders:read', 'orders:write'] },
});

type Action = { readonly op: 'put' | 'clear' | StateKind; readonly n: number; readonly age: number };

describe('TokenCache', () => {
  const action = fc.record<Action>({
    op: fc.constantFrom('put', 'put', 'put', 'put', 'revoke', 'suspend', 'resume', 'retire', 'epoch', 'issue', 'clear'),
    n: fc.nat({ max: 23 }),
    age: fc.nat({ max: 3 }),
  });

  it('agrees with a plain map that reads every token anew after every change, for every history', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.array(action, { maxLength: 200 }), (capacity, actions) => {
      const cache = new TokenCache(capacity);
      const plain = new Map<string, { token: CachedToken; state: string; asOf: number }>();
      let seq = 10;
      for (const { op, n, age } of actions) {
        const { tokenId, owner } = tokenOf(n);
        if (op === 'clear') {
          cache.clear();
          plain.clear();
        } else if (op === 'put') {
          const asOf = seq - (plain.get(digestOf(n))?.asOf === seq ? age : 0);
          cache.put(digestOf(n), tokenOf(n), asOf);
          if (!((plain.get(digestOf(n))?.asOf ?? 0) > asOf)) plain.set(digestOf(n), { token: tokenOf(n), state: 'VALID', asOf });
        } else {
          const entry: StateEntry = { seq: ++seq, kind: op, at: '', reasonCode: '', ...(op === 'epoch' ? { ownerId: n % 5 ? owner : undefined } : { tokenId }) };
          cache.apply(entry);
          for (const [digest, one] of plain) {
            const concerned = op === 'epoch' ? entry.ownerId === undefined || entry.ownerId === one.token.owner : one.token.tokenId === tokenId;
            if (!concerned) continue;
            if (op === 'revoke') one.state = 'REVOKED';
            else if (op === 'suspend' && one.state !== 'REVOKED') one.state = 'SUSPENDED';
            else plain.delete(digest);
          }
        }
        expect(cache.size).toBeLessThanOrEqual(capacity);
        for (let i = 0; i < 24; i++) {
          const slot = cache.find(digestOf(i));
          const known = plain.get(digestOf(i));
          // A bounded cache may forget; it never knows what the map does not.
          if (slot < 0) continue;
          expect([cache.state(slot), cache.asOf(slot)]).toEqual([known?.state, known?.asOf]);
          expect([cache.tokenId(slot), cache.owner(slot), cache.grant(slot), cache.expiresAtMs(slot)]).toEqual([tokenOf(i).tokenId, tokenOf(i).owner, tokenOf(i).grant, i]);
        }
        if (capacity >= 24) expect(plain.size).toBe(cache.size);
      }
    }), { numRuns: 300 });
  });

  it('forgets nothing below its capacity', () => {
    const cache = new TokenCache(5000);
    for (let n = 0; n < 5000; n++) cache.put(digestOf(n), tokenOf(n), 1);
    for (let n = 0; n < 5000; n++) expect(cache.expiresAtMs(cache.find(digestOf(n)))).toBe(n);
    expect(cache.size).toBe(5000);
  });

  it('makes room at the expense of what was not used for longest', () => {
    const cache = new TokenCache(100);
    for (let n = 0; n < 100; n++) cache.put(digestOf(n), tokenOf(n), 1);
    for (let n = 0; n < 50; n++) cache.find(digestOf(n));
    for (let n = 100; n < 150; n++) cache.put(digestOf(n), tokenOf(n), 1);
    for (let n = 0; n < 50; n++) expect(cache.find(digestOf(n))).toBeGreaterThanOrEqual(0);
    expect(cache.size).toBe(100);
  });

  it('kills a million tokens of one owner, or of everybody, at the cost of one', () => {
    const cache = new TokenCache(20_000);
    for (let n = 0; n < 20_000; n++) cache.put(digestOf(n), tokenOf(n), 1);
    cache.apply({ seq: 2, kind: 'epoch', ownerId: 'owner-1', at: '', reasonCode: '' });
    expect([0, 1, 2].map((n) => cache.find(digestOf(n)) >= 0)).toEqual([true, false, true]);
    cache.apply({ seq: 3, kind: 'epoch', at: '', reasonCode: '' });
    expect([0, 1, 2].map((n) => cache.find(digestOf(n)) >= 0)).toEqual([false, false, false]);
    cache.put(digestOf(1), tokenOf(1), 3);
    expect(cache.find(digestOf(1))).toBeGreaterThanOrEqual(0);
  });
});
