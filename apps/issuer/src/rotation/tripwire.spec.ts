import { judgeRetiredUse, type KnownCaller, type RetiredUse } from './tripwire.js';

const now = new Date('2026-06-01T12:00:00Z');
const ago = (days: number) => new Date(now.getTime() - days * 86_400_000);
const windowMs = 7 * 86_400_000;
const use: RetiredUse = { network: '203.0.113.0/24', retiredCode: 'deadline', retiredAt: ago(1) };
const caller = (network: string, days = 100): KnownCaller => ({ network, firstSeenAt: ago(days) });
const office = [caller('198.51.100.0/24')];

const judged: [what: string, use: Partial<RetiredUse>, callers: KnownCaller[], verdict: string][] = [
  ['from where the token was never used', {}, office, 'stranger'],
  ['after it was forced to end', { retiredCode: 'forced' }, office, 'stranger'],
  ['after nobody had shown it for a while', { retiredCode: 'no-traffic' }, office, 'stranger'],
  ['from a known network', { network: '198.51.100.0/24' }, office, 'known'],
  ['from a neighbouring network', { network: '198.51.7.0/24' }, office, 'known'],
  ['from a known network long after', { network: '198.51.100.0/24', retiredAt: ago(90) }, office, 'known'],
  ['from a known IPv6 network', { network: '2001:db8:7::/48' }, [caller('2001:db8:1::/48')], 'known'],
  ['from an unknown IPv6 network', { network: '2001:db9:7::/48' }, [caller('2001:db8:1::/48')], 'stranger'],
  ['long after its end', { retiredAt: ago(8) }, office, 'unsaid'],
  ['after a leak', { retiredCode: 'leak' }, office, 'unsaid'],
  ['after an emergency', { retiredCode: 'emergency' }, office, 'unsaid'],
  ['that was claimed again because its answer was lost', { retiredCode: 'claimed-again' }, office, 'unsaid'],
  ['that nobody claimed', { retiredCode: 'unclaimed' }, office, 'unsaid'],
  ['whose rotation was stopped', { retiredCode: 'stopped' }, office, 'unsaid'],
  ['that made room for another rotation', { retiredCode: 'superseded' }, office, 'unsaid'],
  ['where the gateway does not say from where', { network: '' }, office, 'unsaid'],
  ['of a token that was never seen from anywhere', {}, [], 'unsaid'],
  ['of a token that moved four times in ten days', {}, ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24'].map((network, i) => caller(network, i)), 'unsaid'],
  ['of a token that moved three times in ten days', {}, ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'].map((network, i) => caller(network, i)), 'stranger'],
];

describe('the use of a retired secret', () => {
  it.each(judged)('%s', (_what, more, callers, verdict) => {
    expect(judgeRetiredUse({ ...use, ...more }, callers, windowMs, now)).toBe(verdict);
  });
});
