import { events, timelineSteps, type EventType } from '@writ/contracts';
import type { LogRow } from '../state/state-log.store.js';
import { timelineOf } from './timeline.js';
import type { GenerationRow } from './token.row.js';

type TokenEvent = Extract<EventType, `token.${string}`>;
type Step = (typeof timelineSteps)[number];

/** What a timeline shows of each event of a token, or why nothing. */
const shown: Record<TokenEvent, readonly Step[] | { notBecause: string }> = {
  'token.issued': ['issue'],
  'token.delivered': ['delivered'],
  'token.rotated': ['rotation', 'delivered', 'first-used'],
  'token.retired': ['retire'],
  'token.suspended': ['suspend'],
  'token.resumed': ['resume'],
  'token.revoked': ['revoke'],
  'token.expired': ['expire'],
  'token.orphaned': ['orphaned'],
  'token.transferred': ['transfer'],
  'token.straggling': { notBecause: 'it is about a consumer, who is refused, and said anew each day while that goes on' },
  'token.expiring': { notBecause: 'it is a reminder, and changes nothing of the token' },
};
const stepsShown = Object.values(shown).flatMap((steps) => ('notBecause' in steps ? [] : steps));

describe('a timeline', () => {
  it('knows every event of a token that the contract has', () => {
    expect(Object.keys(shown).sort()).toEqual(Object.keys(events).filter((type) => type.startsWith('token.')).sort());
    expect([...new Set([...stepsShown, 'epoch'])].sort()).toEqual([...timelineSteps].sort());
  });

  it('shows each of them, in the order of time', () => {
    let seconds = 0;
    const next = () => new Date(1_800_000_000_000 + 1_000 * seconds++);
    const entry = (kind: LogRow['kind'], reason_code = 'x') => ({ kind, reason_code, at: next(), seq: String(seconds), owner_id: 'a' }) as LogRow;
    const log = [entry('issue')];
    const first = { generation: 1, claimed_at: next(), used_at: next() } as GenerationRow;
    const second = { generation: 2, rotation_id: 'rot_1', begun_at: next() } as GenerationRow;
    log.push(entry('rotate'), entry('retire'), entry('suspend'), entry('resume'));
    const offer = { at: next(), owner_id: 'a', ends_at: next() };
    log.push(entry('resume', 'transferred'), entry('epoch'), entry('revoke'), entry('expire'));
    const told = timelineOf({ delivery: { mode: 'claim' } }, log, [first, second], [offer]).map(({ what }) => what);
    expect(told).toEqual(timelineSteps);
  });
});
