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

/** What the cache is held against: a map without a bound, walked for every change. */
class PlainCache {
  readonly tokens = new Map<string, { readonly token: CachedToken; state: string; readonly asOf: number }>();

  put(n: number, asOf: number): void {
    if ((this.tokens.get(digestOf(n))?.asOf ?? 0) <= asOf) this.tokens.set(digestOf(n), { token: tokenOf(n), state: 'VALID', asOf });
  }

  apply({ kind, tokenId, ownerId }: StateEntry): void {
    for (const [digest, one] of this.tokens) {
      const concerned = kind === 'epoch' ? ownerId === undefined || ownerId === one.token.owner : one.token.tokenId === tokenId;
      if (!concerned) continue;
      if (kind === 'revoke') one.state = 'REVOKED';
      else if (kind === 'suspend' && one.state !== 'REVOKED') one.state = 'SUSPENDED';
      else this.tokens.delete(digest);
    }
  }
}

/** A bounded cache may forget; it never knows what the map does not. */
function expectAgreement(cache: TokenCache, plain: PlainCache): void {
  expect(cache.size).toBeLessThanOrEqual(cache.capacity);
  for (let n = 0; n < 24; n++) {
    const slot = cache.find(digestOf(n));
    const known = plain.tokens.get(digestOf(n));
    if (slot < 0) continue;
    expect([cache.state(slot), cache.asOf(slot)]).toEqual([known?.state, known?.asOf]);
    expect([cache.tokenId(slot), cache.owner(slot), cache.grant(slot), cache.expiresAtMs(slot)]).toEqual([tokenOf(n).tokenId, tokenOf(n).owner, tokenOf(n).grant, n]);
  }
}

describe('TokenCache', () => {
  const action = fc.record<Action>({
    op: fc.constantFrom('put', 'put', 'put', 'put', 'revoke', 'suspend', 'resume', 'retire', 'epoch', 'issue', 'clear'),
    n: fc.nat({ max: 23 }),
    age: fc.nat({ max: 3 }),
  });

  it('agrees with a plain map that reads every token anew after every change, for every history', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 30 }), fc.array(action, { maxLength: 200 }), (capacity, actions) => {
      const cache = new TokenCache(capacity);
      const plain = new PlainCache();
      let seq = 10;
      for (const { op, n, age } of actions) {
        if (op === 'clear') {
          cache.clear();
          plain.tokens.clear();
        } else if (op === 'put') {
          // What is put is never older than the last change applied; only what is held already may meet an older read.
          const slot = cache.find(digestOf(n));
          const asOf = slot >= 0 && cache.asOf(slot) === seq ? seq - age : seq;
          cache.put(digestOf(n), tokenOf(n), asOf);
          plain.put(n, asOf);
        } else {
          const { tokenId, owner } = tokenOf(n);
          const entry: StateEntry = { seq: ++seq, kind: op, at: '', reasonCode: '', ...(op === 'epoch' ? { ownerId: n % 5 ? owner : undefined } : { tokenId }) };
          cache.apply(entry);
          plain.apply(entry);
        }
        expectAgreement(cache, plain);
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
