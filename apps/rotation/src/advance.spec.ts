import fc from 'fast-check';
import { rotationStates, type Straggler } from '@writ/contracts';
import { firstLookAt, isOpen, lookAt, nameFrom, nameOf, nextStep, stillThere, type Progress } from './advance.js';

const t0 = new Date('2026-01-01T00:00:00Z');
const minutes = (n: number) => new Date(t0.getTime() + n * 60_000);
const progress = (more: Partial<Progress> = {}): Progress => ({ state: 'used', startedAt: t0, claimBefore: minutes(600), deadlineAt: minutes(1_000), usedAt: minutes(100), nudges: 0, ...more });
const straggler = (gateway: string, seen = minutes(105), count = 1): Straggler => ({ gateway, network: '10.0.0.0/24', lastSeenAt: seen.toISOString(), count });

describe('a rotation that is looked at', () => {
  it.each<[string, Progress, Straggler[], Date, object]>([
    ['names a straggler soon after the successor’s first use', progress(), [straggler('a')], minutes(105), { do: 'name', named: nameOf([straggler('a')]) }],
    ['waits before it names', progress(), [straggler('a')], minutes(104), { do: 'wait', lookAgainAt: minutes(105) }],
    ['names half-way where the successor is not used', progress({ state: 'delivered', usedAt: undefined }), [straggler('a')], minutes(500), { do: 'name' }],
    ['does not name the same ones twice', progress({ named: nameOf([straggler('a')]) }), [straggler('a', minutes(200), 99)], minutes(200), { do: 'wait' }],
    ['names again when somebody joins', progress({ named: nameOf([straggler('a')]) }), [straggler('a'), straggler('b')], minutes(200), { do: 'name' }],
    ['has nothing to say without stragglers', progress(), [], minutes(200), { do: 'wait', lookAgainAt: minutes(1_001) }],
    ['reminds the issuer of a retirement that is overdue', progress(), [], minutes(1_001), { do: 'nudge', lookAgainAt: minutes(1_002) }],
    ['reminds the issuer of an order that it has not begun, within minutes', progress({ state: 'due', usedAt: undefined }), [], minutes(1), { do: 'nudge', lookAgainAt: minutes(2) }],
    ['reminds the issuer of a claim that never came', progress({ state: 'claimable', usedAt: undefined }), [], minutes(601), { do: 'nudge' }],
    ['reminds ever more rarely', progress({ nudges: 4 }), [], minutes(1_001), { do: 'nudge', lookAgainAt: minutes(1_017) }],
    ['is left alone when it ended', progress({ state: 'completed' }), [straggler('a')], minutes(2_000), { do: 'nothing' }],
  ])('%s', (_, at, stragglers, now, expected) => {
    expect(nextStep(at, stragglers, now)).toMatchObject(expected);
  });

  it('is always looked at again while it is open, whatever its state (G7)', () => {
    fc.assert(fc.property(fc.constantFrom(...rotationStates), fc.nat(5_000), fc.nat(50), fc.boolean(), (state, at, nudges, blocked) => {
      const step = nextStep(progress({ state, nudges }), blocked ? [straggler('a')] : [], minutes(at));
      return isOpen(state) ? step.do !== 'nothing' && step.lookAgainAt > minutes(at) : step.do === 'nothing';
    }));
  });

  it('names stragglers before the deadline, for every span (G7)', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 100_000 }), fc.option(fc.nat(100_000), { nil: undefined }), (span, used) =>
      nameFrom({ startedAt: t0, deadlineAt: minutes(span), usedAt: used === undefined ? undefined : minutes(used) }) < minutes(span)));
  });
});

it('a first look comes when the issuer should have begun; the next, in an emergency, when a claim would be overdue', () => {
  expect(firstLookAt(t0)).toEqual(minutes(1));
  expect(lookAt(progress({ state: 'due', deadlineAt: t0, claimBefore: minutes(60), usedAt: undefined }), minutes(1))).toEqual(minutes(61));
});

it('whoever switched is no straggler any more', () => {
  const all = [straggler('gone', minutes(10)), straggler('here', minutes(400))];
  expect(stillThere(all, progress(), minutes(405)).map(({ gateway }) => gateway)).toEqual(['here']);
});
