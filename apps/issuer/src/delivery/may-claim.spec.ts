import { mayClaim, maxReclaims } from './may-claim.js';
import type { GenerationRow, TokenRow } from '../tokens/token.row.js';

const now = new Date('2026-06-01T12:00:00Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000);
const key = Buffer.alloc(32, 1);
const token = (more: Partial<TokenRow> = {}) => ({ state: 'issued', expires_at: ago(-60), issue_seq: '5', delivery: { mode: 'claim' }, ...more }) as TokenRow;
const generation = (more: Partial<GenerationRow> = {}) => ({ state: 'claimable', claim_before: ago(-60), claim_key: null, claims: 0, claimed_at: null, ...more }) as GenerationRow;
const delivered = (more: Partial<GenerationRow> = {}) => generation({ state: 'delivered', claim_before: null, claim_key: key, claims: 1, claimed_at: ago(10), ...more });
const actOf = (t: TokenRow, g: GenerationRow, with_: Uint8Array | undefined = key, epoch = 0) => {
  const verdict = mayClaim(t, g, with_, epoch, now);
  return verdict.act === 'refuse' ? verdict.code : verdict.act;
};

describe('a claim', () => {
  it.each([
    ['mints the first time', token(), generation(), 'mint'],
    ['is over with its deadline', token(), generation({ claim_before: now }), 'claim-lapsed'],
    ['is over with the token', token({ state: 'revoked' }), generation(), 'token-ended'],
    ['is over with the token’s end, on the second', token({ expires_at: now }), generation(), 'token-ended'],
    ['waits while the token is suspended', token({ state: 'suspended' }), generation(), 'token-suspended'],
    ['has nothing to fetch where the secret was sealed', token({ delivery: { mode: 'sealed' } }), generation(), 'delivered-sealed'],
    ['has nothing to fetch of a secret that ended', token({ state: 'active' }), generation({ state: 'retired' }), 'secret-retired'],
    ['mints again for the same session within a minute', token({ state: 'active' }), delivered(), 'mint-again'],
    ['does not mint again after a minute', token({ state: 'active' }), delivered({ claimed_at: ago(61) }), 'already-claimed'],
    ['does not mint again after first use', token({ state: 'active' }), delivered({ state: 'used' }), 'already-claimed'],
    ['mints again three times', token({ state: 'active' }), delivered({ claims: maxReclaims }), 'mint-again'],
    ['does not mint again a fourth time', token({ state: 'active' }), delivered({ claims: maxReclaims + 1 }), 'already-claimed'],
  ])('%s', (_, t, g, expected) => {
    expect(actOf(t, g)).toBe(expected);
  });

  it('of another session, or of one that cannot be told, kills (G10)', () => {
    expect(actOf(token({ state: 'active' }), delivered(), Buffer.alloc(32, 2))).toBe('kill');
    expect(mayClaim(token({ state: 'active' }), delivered(), undefined, 0, now).act).toBe('kill');
    expect(actOf(token({ state: 'active' }), delivered({ claim_key: null }))).toBe('kill');
    expect(actOf(token({ state: 'active' }), delivered({ state: 'used' }), Buffer.alloc(32, 2))).toBe('kill');
  });

  it('is over with an epoch of the owner after the issue (G4)', () => {
    expect(actOf(token(), generation(), key, 6)).toBe('token-ended');
    expect(actOf(token(), generation(), key, 4)).toBe('mint');
  });
});
