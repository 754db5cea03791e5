import fc from 'fast-check';
import { endlessAgain, settle, type Secret } from './settle.js';

const t0 = Date.parse('2026-01-01T00:00:00Z');
const at = (minute: number) => new Date(t0 + minute * 60_000);
const secret = (generation: number, state: Secret['state'], more: Partial<Secret> = {}): Secret => ({
  generation, state, rotation_id: generation === 1 ? null : (`rot_${generation}` as never), claim_before: null, used_at: null, last_used_at: null, retires_at: null, ...more,
});
const first = (retires: number, more: Partial<Secret> = {}) => secret(1, 'used', { retires_at: at(retires), ...more });
const ends = (living: Secret[], minute: number, windowBegan = -1_000) => settle(living, at(minute), at(windowBegan), 'keep').map(({ row, code }) => `${row.generation} ${code}`);

describe('a secret that is replaced', () => {
  it.each<[string, Secret[], number, number, string[]]>([
    ['lives until its deadline', [first(10), secret(2, 'delivered')], 9, -100, []],
    ['ends at its deadline', [first(10), secret(2, 'delivered')], 10, -100, ['1 deadline']],
    ['lives on where nobody claimed the next one, however late that is seen', [first(10), secret(2, 'claimable', { claim_before: at(8) })], 1_000, -100, ['2 unclaimed']],
    ['lives on while nobody has the next one', [first(10), secret(2, 'claimable', { claim_before: at(20) })], 12, -100, []],
    ['ends beside one that is held although a later one lapses', [first(10), secret(2, 'used'), secret(3, 'claimable', { claim_before: at(8) })], 12, -100, ['3 unclaimed', '1 deadline']],
    ['ends once nobody shows it', [first(90, { last_used_at: at(3) }), secret(2, 'used', { used_at: at(2) })], 20, 4, ['1 no-traffic']],
    ['lives while it may have been shown', [first(90, { last_used_at: at(5) }), secret(2, 'used', { used_at: at(2) })], 20, 4, []],
    ['lives while the next one is unused', [first(90, { last_used_at: at(3) }), secret(2, 'delivered')], 20, 4, []],
    ['is not the first one of a token that nobody claimed', [secret(1, 'claimable', { claim_before: at(1) })], 20, 4, []],
  ])('%s (G7)', (_, living, now, window, expected) => {
    expect(ends(living, now, window)).toEqual(expected);
  });

  const minute = fc.option(fc.nat(100).map(at), { nil: null });
  const livingOnes = fc.array(fc.record({ state: fc.constantFrom('claimable', 'delivered', 'used' as const), claim_before: minute, used_at: minute, last_used_at: minute, retires_at: minute }), { minLength: 1, maxLength: 5 })
    .map((rows) => rows.map(({ state, ...more }, i) => secret(i + 1, state, more)));
  const isHeld = ({ state }: Secret) => state === 'delivered' || state === 'used';

  it('is never the last one that somebody has, whatever the dates and however late (G7)', () => {
    fc.assert(fc.property(livingOnes, fc.nat(100), fc.nat(100), (living, now, window) => {
      const ended = new Set(settle(living, at(now), at(window), 'keep').map(({ row }) => row));
      expect(living.some(isHeld)).toBe(living.some((row) => isHeld(row) && !ended.has(row)));
    }));
  });

  it('never outlives its deadline beside a newer one that somebody has (G7)', () => {
    fc.assert(fc.property(livingOnes, fc.nat(100), (living, now) => {
      const ended = new Set(settle(living, at(now), at(-1), 'keep').map(({ row }) => row));
      const held = living.filter((row) => isHeld(row) && !ended.has(row));
      expect(held.slice(0, -1).filter(({ retires_at }) => retires_at !== null && retires_at <= at(now))).toEqual([]);
    }));
  });

  it('never outlives its deadline, claimed or not, where the operator has it cut; until then it lives', () => {
    const unclaimed = [first(10), secret(2, 'claimable', { claim_before: at(8) })];
    const cut = (minute: number) => settle(unclaimed, at(minute), at(-100), 'cut').map(({ row, code }) => `${row.generation} ${code}`);
    expect([7, 9, 10].map(cut)).toEqual([[], ['2 unclaimed'], ['2 unclaimed', '1 deadline']]);
  });

  it('has no end while it is the newest, and only that one is let off (G7)', () => {
    const [old, middle, gone] = [first(10), secret(2, 'used', { retires_at: at(20) }), secret(3, 'retired')];
    expect(endlessAgain([old, middle, gone])).toBe(middle);
    expect(endlessAgain([old, secret(2, 'used')])).toBeUndefined();
    expect(endlessAgain([gone])).toBeUndefined();
  });
});
