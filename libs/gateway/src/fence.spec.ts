import type { StateEntry } from '@writ/token';
import { defaultFenceBounds as bounds, fenceOf, grantedLeaseMs, grantLease, leaseOverBy, maxEntriesPerGrant, maxLeaseMs, type Acknowledgement, type FenceFacts, type GrantFacts } from './fence.js';

const member = (verifierId: string, leaseMs = 800) => ({ verifierId, name: verifierId, leaseMs });
const facts: FenceFacts = { seq: 7, incarnation: 'i1', committedBy: 1000, members: [member('a'), member('b')], acknowledgements: new Map() };
const said = (verifierId: string, appliedSeq: number, at: number, incarnation = 'i1') => ({ verifierId, incarnation, appliedSeq, at });
const by = (...acks: Acknowledgement[]) => new Map(acks.map((ack) => [ack.verifierId, ack]));

describe('G4: fenceOf', () => {
  it('is done when every verifier has acknowledged, with one receipt and latency each', () => {
    const state = fenceOf({ ...facts, acknowledgements: by(said('a', 7, 1003), said('b', 9, 1010)) }, 1020);
    expect(state.done).toBe(true);
    expect(state.receipts).toEqual([
      { verifierId: 'a', name: 'a', outcome: 'acknowledged', seq: 7, latencyMs: 3 },
      { verifierId: 'b', name: 'b', outcome: 'acknowledged', seq: 7, latencyMs: 10 },
    ]);
  });

  it('waits for the silent one until its lease is over, drift and margin included, and says fenced', () => {
    const silent = { ...facts, acknowledgements: by(said('a', 7, 1003)) };
    const over = 1000 + 800 * (1 + bounds.drift) + bounds.marginMs;
    expect(fenceOf(silent, over - 0.01)).toMatchObject({ done: false, doneBy: over });
    expect(fenceOf(silent, over)).toMatchObject({ done: true, receipts: [{ outcome: 'acknowledged' }, { verifierId: 'b', outcome: 'fenced' }] });
  });

  it.each([800, 500, 60_000])('is over within the lease asked for, with time left for all else: %d ms', (askedMs) => {
    expect(leaseOverBy(0, grantedLeaseMs(askedMs), bounds)).toBeLessThanOrEqual(Math.min(askedMs, maxLeaseMs) - 50);
    expect(grantedLeaseMs(100)).toBe(0);
  });

  it('does not count the word of another incarnation, of an older place, or of a stranger', () => {
    const others = by(said('a', 7, 1001, 'i0'), said('b', 6, 1001), said('c', 7, 1001));
    expect(fenceOf({ ...facts, acknowledgements: others }, 1100)).toMatchObject({ done: false, receipts: [] });
  });

  it('waits the full time when the registry is in doubt, whoever acknowledged', () => {
    const doubtful = { ...facts, members: undefined, acknowledgements: by(said('a', 7, 1001), said('b', 7, 1001)) };
    const over = leaseOverBy(1000, grantedLeaseMs(maxLeaseMs), bounds);
    expect(fenceOf(doubtful, over - 1).done).toBe(false);
    expect(fenceOf(doubtful, over).done).toBe(true);
  });

  it('is done at once when nobody is registered', () => {
    expect(fenceOf({ ...facts, members: [] }, 1000)).toEqual({ done: true, receipts: [], doneBy: 1000 });
  });

  it('adds the age a replica\'s head may have to the wait', () => {
    expect(leaseOverBy(0, 800, { drift: 0, marginMs: 100, headAgeMs: 300 })).toBe(1200);
  });
});

describe('grantLease', () => {
  const ask = { verifierId: 'a', incarnation: 'i1', nonce: 'n', appliedSeq: 5, holdMs: 0 };
  const entry = (seq: number): StateEntry => ({ seq, kind: 'revoke', at: '', reasonCode: '', tokenId: 't' });
  const known: GrantFacts = { registered: true, incarnation: 'i1', headSeq: 7, databaseTime: 't', entries: [entry(6), entry(7)] };

  it('names the head and everything that leads to it', () => {
    expect(grantLease(ask, known)).toEqual({ nonce: 'n', incarnation: 'i1', headSeq: 7, databaseTime: 't', entries: [entry(6), entry(7)], more: false });
  });

  it('says that more follows when the entries stop short of the head', () => {
    const many = Array.from({ length: maxEntriesPerGrant + 5 }, (_, i) => entry(6 + i));
    expect(grantLease(ask, { ...known, headSeq: many.at(-1)!.seq, entries: many })).toMatchObject({ more: true, entries: { length: maxEntriesPerGrant } });
    expect(grantLease(ask, { ...known, entries: [] })).toMatchObject({ more: true });
  });

  it.each([['a stranger', { registered: false }], ['another incarnation', { incarnation: 'i2' }], ['a log that starts later', { entries: undefined }]])('sends %s back to registering', (_, over) => {
    expect(grantLease(ask, { ...known, ...over })).toBe('rejoin');
  });

  it('G9: grants nothing to a verifier that knows more than the log: the log has lost entries', () => {
    expect(grantLease({ ...ask, appliedSeq: 8 }, { ...known, entries: [] })).toBe('ahead');
  });
});
