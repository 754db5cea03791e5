import fc from 'fast-check';
import { leadDue, noticeAt, phaseOf, retryAt, rotateAt, spanOf, type Life } from './plan-rotation.js';

const day = 86_400;
const terms = { claimWindowSeconds: 7 * day, defaultGraceSeconds: day };
const t0 = new Date('2026-01-01T00:00:00Z');
const after = (seconds: number) => new Date(t0.getTime() + seconds * 1_000);
const life = (more: Partial<Life> = {}): Life => ({ tokenId: 'tok_a', expiresAt: after(365 * day), rotateSeconds: 30 * day, graceSeconds: day, ...more });

const lives = fc.record({
  tokenId: fc.string(), expiresAt: fc.integer({ min: 1, max: 1_000 * day }).map(after),
  rotateSeconds: fc.option(fc.integer({ min: 1, max: 400 * day }), { nil: undefined }), graceSeconds: fc.option(fc.integer({ min: 0, max: 90 * day }), { nil: undefined }),
});

describe('a rotation', () => {
  it('is due within policy’s period and before the token’s end, for every token', () => {
    fc.assert(fc.property(lives, (one) => {
      const due = rotateAt(one, t0, terms);
      return due === undefined || (due.getTime() - t0.getTime() <= (one.rotateSeconds ?? 0) * 1_000 && due < one.expiresAt);
    }));
  });
  it('is never planned where policy asks for none, or where the token ends before anybody could switch', () => {
    expect(rotateAt(life({ rotateSeconds: undefined }), t0, terms)).toBeUndefined();
    expect(rotateAt(life({ expiresAt: after(30 * day) }), t0, terms)).toBeUndefined();
  });
  it('keeps its deadline within the token’s life, for every token and start (G6, G7)', () => {
    fc.assert(fc.property(lives, fc.nat(400 * day), fc.constantFrom('scheduled' as const, 'requested' as const, 'emergency' as const), (one, start, cause) => {
      fc.pre(after(start) < one.expiresAt);
      const { deadlineAt, claimBefore } = spanOf(one, cause, after(start), terms);
      return deadlineAt <= one.expiresAt && claimBefore <= one.expiresAt && claimBefore > after(start) && deadlineAt >= after(start)
        && (cause === 'emergency' || claimBefore <= deadlineAt);
    }));
  });
  it('ends the old secret at once in an emergency, and leaves time to claim', () => {
    expect(spanOf(life(), 'emergency', t0, terms)).toEqual({ deadlineAt: t0, claimBefore: after(7 * day) });
  });
  it('leaves the whole grace beside the successor after its last possible claim', () => {
    expect(spanOf(life({ rotateSeconds: 4 * day }), 'scheduled', t0, terms)).toEqual({ claimBefore: after(2 * day), deadlineAt: after(3 * day) });
  });
  it('that nobody claimed is offered again ever later, and not past the end', () => {
    const waits = [0, 1, 2, 3, 30].map((attempts) => (retryAt(life(), attempts, t0, terms)!.getTime() - t0.getTime()) / 1_000);
    expect(waits).toEqual([day * 0.875, day, day, day, day]);
    expect(retryAt(life({ rotateSeconds: 480 }), 1, t0, terms)).toEqual(after(60));
    expect(retryAt(life({ expiresAt: after(100) }), 0, t0, terms)).toBeUndefined();
  });
  it('of tokens issued together is spread over a tenth of the period, evenly', () => {
    const phases = Array.from({ length: 2_000 }, (_, i) => phaseOf(`tok_${i}`));
    for (let i = 0; i < 10; i++) expect(phases.filter((phase) => phase >= i / 10 && phase < (i + 1) / 10).length).toBeGreaterThan(140);
    expect(phaseOf('tok_7')).toBe(phaseOf('tok_7'));
  });
});

describe('an expiry notice', () => {
  const leads = [30 * day, 7 * day, day, 3_600];
  const token = { issuedAt: t0, expiresAt: after(40 * day) };
  it('comes once per lead time that fits into the token’s life', () => {
    const told: (number | undefined)[] = [];
    for (let at = noticeAt(token, leads); at; at = noticeAt({ ...token, toldSeconds: told.at(-1) }, leads)) told.push(leadDue({ ...token, toldSeconds: told.at(-1) }, leads, at));
    expect(told).toEqual(leads);
    expect(noticeAt(token, leads)).toEqual(after(10 * day));
    expect(noticeAt({ issuedAt: t0, expiresAt: after(1_800) }, leads)).toBeUndefined();
    expect(noticeAt({ issuedAt: t0, expiresAt: after(30 * day) }, leads)).toEqual(after(23 * day));
  });
  it('says the shortest lead time that has come', () => {
    expect(leadDue(token, leads, after(9 * day))).toBeUndefined();
    expect(leadDue(token, leads, after(10 * day))).toBe(30 * day);
    expect(leadDue(token, leads, after(39.5 * day))).toBe(day);
  });
  it('says nothing again, whatever lead times there were when it was told', () => {
    expect(noticeAt({ ...token, toldSeconds: 30 * day }, [30 * day])).toBeUndefined();
    expect(leadDue({ ...token, toldSeconds: 7 * day }, [30 * day, 14 * day], after(39 * day))).toBeUndefined();
  });
});
