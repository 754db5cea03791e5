import type { TokenState } from '@writ/contracts';
import { Budgets, TokenCache } from '@writ/gateway';
import { parse } from '@writ/token';
import { maySee, mayStop } from '../tokens/may-see.js';
import { nextState, stopKinds } from './next-state.js';
import { mintFresh } from '../tokens/secret.store.js';
import { knownAt, stateByLog, toCache, type KnownToken, type LogFacts } from './state-by-log.js';
import type { SealedFacts } from '../tokens/token.row.js';
import { agentFamily, UsageBook } from '../usage/usage-book.js';

describe('a token’s state', () => {
  it('never leaves revoked and expired (G4)', () => {
    for (const state of ['revoked', 'expired'] as TokenState[]) for (const kind of stopKinds) expect(nextState(state, kind, true)).toBeUndefined();
  });

  it('goes back from suspended to where it was', () => {
    expect(nextState('active', 'suspend', true)).toBe('suspended');
    expect(nextState('suspended', 'resume', true)).toBe('active');
    expect(nextState('suspended', 'resume', false)).toBe('issued');
    expect(nextState('active', 'resume', true)).toBeUndefined();
    expect(nextState('suspended', 'revoke', true)).toBe('revoked');
  });

  const row = { token_id: 't', owner_id: 'o', audience: 'a', environment: 'dev', scopes: [], expires_at: new Date(), issue_seq: '10' } as unknown as SealedFacts;
  const log = (more: Partial<LogFacts>): LogFacts => ({ kind: 'issue', minted_seq: '0', retired_seq: null, owner_epoch_seq: null, epoch_seq: null, generation: 1, retires_at: null, ...more });
  it.each([
    ['VALID', {}], ['VALID', { kind: 'resume' as const }], ['SUSPENDED', { kind: 'suspend' as const }], ['REVOKED', { kind: 'revoke' as const }], ['EXPIRED', { kind: 'expire' as const }],
    ['REVOKED', { kind: null }], ['REVOKED', { epoch_seq: '11' }], ['VALID', { epoch_seq: '9' }], ['REVOKED', { owner_epoch_seq: '11' }], ['REVOKED', { retired_seq: '12' }],
    ['VALID', { retired_seq: '12', minted_seq: '12' }], ['REVOKED', { retired_seq: '13', minted_seq: '12' }], ['REVOKED', { kind: 'suspend' as const, retired_seq: '12' }],
  ])('is %s by the log with %j', (state, more) => {
    expect(stateByLog(log(more), row).state).toBe(state);
  });

  it('ends with its secret’s deadline where that is before its own end, and never after it', () => {
    const at = (days: number) => new Date(Date.UTC(2026, 5, days));
    const end = (retires_at: Date | null) => stateByLog(log({ retires_at }), { ...row, expires_at: at(9) }).expiresAtMs;
    expect([null, at(3), at(20)].map(end)).toEqual([at(9), at(3), at(9)].map(Number));
  });
});

describe('a token in memory', () => {
  it('is what was read, with its limits, until the log says otherwise', () => {
    const cache = new TokenCache(2);
    const right = { owner: 'o', generation: 2, audience: 'a', environment: 'dev', scopes: ['a:read'], expiresAtMs: 5 };
    const limits = { networks: ['192.0.2.0/24'], ratePerMinute: 7 };
    const tokens: KnownToken[] = [{ ...right, state: 'VALID', tokenId: 't1' }, { ...right, ...limits, state: 'SUSPENDED', tokenId: 't2' }];
    for (const [i, token] of tokens.entries()) cache.put(String(i).repeat(32), toCache(token), 1);
    const known = (i: number) => knownAt(cache, cache.find(String(i).repeat(32)));
    expect([known(0), known(1)]).toEqual(tokens);
    cache.apply({ seq: 2, kind: 'revoke', at: '', reasonCode: '', tokenId: 't1' });
    expect([known(0), known(1)]).toEqual([{ ...tokens[0], state: 'REVOKED' }, tokens[1]]);
  });
});

describe('who may', () => {
  const token = { claimant_iss: 'idp', claimant_sub: 'alice', owner_team: 'orders' };
  const caller = (sub: string, more: object = {}) => ({ iss: 'idp', sub, roles: new Set<never>(), ...more });
  it('see and stop a token: its claimant, its team, an administrator; see it: an auditor (G10)', () => {
    expect(mayStop(caller('alice'), token)).toBe(true);
    expect(mayStop(caller('alice', { iss: 'other' }), token)).toBe(false);
    expect(mayStop(caller('bob', { team: 'orders' }), token)).toBe(true);
    expect(mayStop(caller('bob', { team: 'billing' }), token)).toBe(false);
    expect(mayStop(caller('root', { roles: new Set(['admin']) }), token)).toBe(true);
    expect([maySee(caller('eve', { roles: new Set(['auditor']) }), token), mayStop(caller('eve', { roles: new Set(['auditor']) }), token)]).toEqual([true, false]);
  });
});

describe('limits', () => {
  it('give a budget that refills, and say when', () => {
    const budgets = new Budgets(2);
    const limit = { perSecond: 2, atOnce: 2 };
    expect([0, 0, 0].map((at) => budgets.take('a', limit, at))).toEqual([0, 0, 500]);
    expect(budgets.take('a', limit, 400)).toBe(100);
    expect(budgets.take('a', limit, 1_000)).toBe(0);
    expect(budgets.take('b', limit, 1_000)).toBe(0);
  });

  it('count what was used elsewhere, and never owe more than they hold', () => {
    const budgets = new Budgets();
    const limit = { perSecond: 2, atOnce: 2 };
    budgets.spend(['a', 1, 2, 2], 0);
    expect([0, 0].map((at) => budgets.take('a', limit, at))).toEqual([0, 500]);
    budgets.spend(['a', 1_000, 2, 2], 0);
    expect(budgets.look('a', limit, 0)).toBe(1_500);
    expect(budgets.look('a', limit, 1_500)).toBe(0);
  });
});

describe('a fresh secret', () => {
  it('is another one each time, past the end of the randomness that was fetched at once too', () => {
    const secrets = new Set(Array.from({ length: 1_000 }, () => mintFresh('prod').reveal()));
    expect(secrets.size).toBe(1_000);
    for (const secret of secrets) expect(parse(secret).ok).toBe(true);
  });
});

describe('usage', () => {
  it('counts what is alike together, and loses nothing that could not be said', () => {
    const book = new UsageBook();
    const use = { tokenId: 't', generation: 1, code: 'VALID', gateway: 'g' };
    book.note(use, 1);
    book.note({ ...use }, 5);
    expect(book.note({ ...use, network: '192.0.2.0/24' }, 6)).toBe(2);
    const taken = book.take();
    expect(taken[0]).toMatchObject({ count: 2, firstAt: 1, lastAt: 5 });
    book.note(use, 9);
    book.giveBack(taken);
    expect(book.take()).toMatchObject([{ count: 3, firstAt: 1, lastAt: 9 }, { count: 1 }]);
  });

  it('keeps the family of a user agent, not its version', () => {
    expect(['curl/8.1', 'python-requests/2.31 (x)', '(odd)', undefined].map(agentFamily)).toEqual(['curl', 'python-requests', 'other', undefined]);
  });
});
