import type { StateEntry } from '@writ/token';
import type { LeaseGrant } from './fleet-messages.js';
import { answerFromMemory } from './answer.js';
import { clockToleranceMs, VerifierState, type Clocks } from './verifier-state.js';

const start = 1_000_000;
const at = (ms: number, wallMs = ms): Clocks => ({ mono: start + ms, wall: 1_700_000_000_000 + wallMs });
const digest = 'd'.repeat(32);
const token = { state: 'VALID' as const, tokenId: 'tok_1', owner: 'o', expiresAtMs: Date.UTC(2026, 0, 1, 1), grant: { audience: 'orders', environment: 'dev', scopes: ['orders:read'] } };
const entry = (seq: number, over: Partial<StateEntry> = {}): StateEntry => ({ seq, kind: 'revoke', at: '', reasonCode: '', tokenId: `tok_${seq}`, ...over });
const grant = (nonce: string, headSeq: number, entries: readonly StateEntry[] = [], over: Partial<LeaseGrant> = {}): LeaseGrant =>
  ({ nonce, incarnation: 'i1', headSeq, databaseTime: '2026-01-01T00:00:00.000Z', entries, more: false, ...over });

function joined(): VerifierState {
  const state = new VerifierState(16);
  state.joined({ verifierId: 'v', leaseMs: 800, incarnation: 'i1', headSeq: 10 });
  return state;
}

function leased(): VerifierState {
  const state = joined();
  state.ask('n0', at(0), 0);
  expect(state.granted(grant('n0', 10))).toBe('leased');
  return state;
}

const may = (state: VerifierState, { mono, wall }: Clocks) => state.mayAnswer(mono, wall);

describe('G4: the lease', () => {
  it('begins with a grant, not with registering', () => {
    expect(may(joined(), at(0))).toBe(false);
    expect(may(leased(), at(0))).toBe(true);
  });

  it('runs from sending the ask, however late the answer comes', () => {
    const state = joined();
    state.ask('n', at(0), 0);
    expect(state.granted(grant('n', 10))).toBe('leased');
    expect([may(state, at(799)), may(state, at(800))]).toEqual([true, false]);
    state.ask('late', at(900), 0);
    expect(state.granted(grant('late', 10))).toBe('leased');
    expect([may(state, at(1699)), may(state, at(1700))]).toEqual([true, false]);
  });

  it('counts only when every entry up to the named head has been applied', () => {
    const state = joined();
    state.ask('n', at(0), 0);
    expect(state.granted(grant('n', 13, [entry(11), entry(12)], { more: true }))).toBe('behind');
    expect(may(state, at(1))).toBe(false);
    state.ask('m', at(1), 0);
    expect(state.granted(grant('m', 13, [entry(13)]))).toBe('leased');
    expect(state.appliedSeq).toBe(13);
  });

  it('applies nothing beyond a gap', () => {
    const state = joined();
    state.ask('n', at(0), 0);
    expect(state.granted(grant('n', 13, [entry(11), entry(13)]))).toBe('behind');
    expect(state.appliedSeq).toBe(11);
  });

  it('is not prolonged by an older ask whose answer was overtaken', () => {
    const state = joined();
    state.ask('old', at(0), 0);
    state.ask('new', at(300), 0);
    state.granted(grant('new', 10));
    state.granted(grant('old', 10));
    expect([may(state, at(1099)), may(state, at(1100))]).toEqual([true, false]);
  });

  it('counts no answer twice, and none to an ask that was not ours', () => {
    const state = leased();
    expect(state.granted(grant('n0', 10))).toBe('ignored');
    expect(state.granted(grant('stranger', 10))).toBe('ignored');
  });

  it.each([['slept', at(10, 10 + clockToleranceMs + 1)], ['was set back', at(10, 9 - clockToleranceMs)]])('is void for good when the machine %s', (_, clocks) => {
    const state = leased();
    state.ask('under-way', at(5), 0);
    expect(may(state, clocks)).toBe(false);
    expect(may(state, at(11))).toBe(false);
    expect(state.granted(grant('under-way', 10))).toBe('ignored');
    state.ask('after', { mono: clocks.mono + 1, wall: clocks.wall + 1 }, 0);
    expect(state.granted(grant('after', 10))).toBe('leased');
    expect(may(state, { mono: clocks.mono + 2, wall: clocks.wall + 2 })).toBe(true);
  });

  it('ends with another incarnation, and so does everything remembered', () => {
    const state = leased();
    state.admit({ digest, token, seq: 10, incarnation: 'i1' }, at(1));
    state.ask('n', at(2), 0);
    expect(state.granted(grant('n', 10, [], { incarnation: 'i2' }))).toBe('rejoin');
    expect(may(state, at(3))).toBe(false);
    expect(state.cache.size).toBe(0);
  });
});

describe('G4: a read that arrives', () => {
  it('is refused under a lapsed lease and from another incarnation', () => {
    const state = leased();
    expect(state.admit({ digest, token, seq: 10, incarnation: 'i1' }, at(800))).toBe('no-lease');
    expect(leased().admit({ digest, token, seq: 10, incarnation: 'i2' }, at(1))).toBe('stale');
  });

  it.each<[string, StateEntry, 'kept' | 'stale']>([
    ['its own token', entry(11, { tokenId: 'tok_1' }), 'stale'],
    ['its owner', entry(11, { kind: 'epoch', tokenId: undefined, ownerId: 'o' }), 'stale'],
    ['everybody', entry(11, { kind: 'epoch', tokenId: undefined }), 'stale'],
    ['another token', entry(11), 'kept'],
    ['another owner', entry(11, { kind: 'epoch', tokenId: undefined, ownerId: 'p' }), 'kept'],
  ])('older than an applied entry about %s', (_, applied, outcome) => {
    const state = leased();
    state.ask('n', at(1), 0);
    state.granted(grant('n', 11, [applied]));
    expect(state.admit({ digest, token, seq: 10, incarnation: 'i1' }, at(2))).toBe(outcome);
    expect(state.admit({ digest, token, seq: 9, incarnation: 'i1' }, at(2))).toBe('stale');
  });

  it('newer than what is applied is not undone by entries it has seen', () => {
    const state = leased();
    expect(state.admit({ digest, token, seq: 12, incarnation: 'i1' }, at(1))).toBe('kept');
    state.ask('n', at(1), 0);
    state.granted(grant('n', 13, [entry(11, { kind: 'suspend', tokenId: 'tok_1' }), entry(12, { kind: 'resume', tokenId: 'tok_1' }), entry(13)]));
    expect(answerFromMemory(state, digest, {}, at(2).mono, at(2).wall)).toMatchObject({ code: 'VALID', seq: 13 });
  });
});

describe('G5: freshness', () => {
  it('says how old an answer may be at most, by the slower of both clocks', () => {
    const state = leased();
    state.admit({ digest, token, seq: 10, incarnation: 'i1' }, at(1));
    const answer = (clocks: Clocks) => answerFromMemory(state, digest, {}, clocks.mono, clocks.wall);
    expect(answer(at(100))).toMatchObject({ seq: 10, asOf: '2026-01-01T00:00:00.000Z', maxStalenessMs: 101 });
    expect(answer(at(100, 140))?.maxStalenessMs).toBe(141);
  });

  it('G6: ends a token by the database\'s time, whatever the wall clock says', () => {
    const state = leased();
    state.admit({ digest, token: { ...token, expiresAtMs: Date.UTC(2026, 0, 1) + 500 }, seq: 10, incarnation: 'i1' }, at(1));
    expect(answerFromMemory(state, digest, {}, at(400).mono, at(400).wall)?.code).toBe('VALID');
    expect(answerFromMemory(state, digest, {}, at(500).mono, at(500).wall)?.code).toBe('EXPIRED');
  });

  it('leaves it to a read when more is asked than is applied', () => {
    const state = leased();
    state.admit({ digest, token, seq: 12, incarnation: 'i1' }, at(1));
    const { mono, wall } = at(2);
    expect(answerFromMemory(state, digest, { minSeq: 12 }, mono, wall)?.seq).toBe(12);
    expect(answerFromMemory(state, digest, { minSeq: 13 }, mono, wall)).toBeUndefined();
  });
});
