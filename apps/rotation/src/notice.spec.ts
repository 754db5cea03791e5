import type { EventData } from '@writ/contracts';
import { noticeBody, wants } from '@writ/service';
import { noticeKinds, NoticeTarget, wordsOf, type NoticeFacts } from './notice.js';

const at = new Date('2026-06-01T12:00:00Z');
const owner = { id: 'svc:<!channel>', team: 'orders' };
const facts: NoticeFacts[] = [
  { kind: 'token.expiring', data: { tokenId: 'tok_1', owner, expiresAt: '2026-06-02T12:00:00Z', leadTime: 'P1D' } as EventData<'token.expiring'> },
  { kind: 'token.orphaned', data: { tokenId: 'tok_1', owner, endsAt: '2026-06-02T12:00:00Z' } as EventData<'token.orphaned'> },
  { kind: 'token.straggling', data: { tokenId: 'tok_1', owner, generation: 1, retiredAt: '2026-06-02T12:00:00Z', gateway: '<orders-api>', network: '10.1.2.0/24', shownAt: '2026-06-02T13:00:00Z' } as EventData<'token.straggling'> },
  { kind: 'rotation.lapsed', data: { tokenId: 'tok_1' as never, rotationId: 'rot_1' as never, owner, lapsedAt: '2026-06-01T12:00:00Z', againAt: '2026-06-02T12:00:00Z' } },
  { kind: 'rotation.lapsed', data: { tokenId: 'tok_1' as never, rotationId: 'rot_1' as never, owner, lapsedAt: '2026-06-01T12:00:00Z', oldEndsAt: '2026-06-02T12:00:00Z' } },
  { kind: 'rotation.blocked', data: { tokenId: 'tok_1', deadlineAt: '2026-06-02T12:00:00Z', stragglers: [{ gateway: 'orders-api', network: '10.1.2.0/24', agent: '<!channel>', lastSeenAt: '2026-06-01T11:00:00Z', count: 3 }] } as EventData<'rotation.blocked'> },
];
const target = (more: Partial<NoticeTarget>) => Object.assign(new NoticeTarget(), { name: 'ops', url: 'https://ops.example' }, more);

describe('a notice', () => {
  it.each(facts)('of $kind carries the event, and in a chat its words, with nobody’s text in control of them', (each) => {
    const notice = { id: 'evt_1', ...each, words: wordsOf(each) };
    expect(JSON.parse(noticeBody(target({}), notice, at))).toEqual({ type: each.kind, timestamp: at.toISOString(), data: JSON.parse(JSON.stringify(each.data)) });
    const { text } = JSON.parse(noticeBody(target({ kind: 'slack' }), notice, at)) as { text: string };
    expect(text).toContain('tok_1');
    expect(text).toContain('2026-06-02T12:00:00Z');
    expect(text).not.toContain('<');
  });

  it('goes to who wants its kind and its team', () => {
    expect(noticeKinds.filter((kind) => wants(target({}), { kind, team: 'orders' }))).toEqual([...noticeKinds]);
    expect(wants(target({ hears: ['rotation.blocked'] }), { kind: 'token.expiring', team: 'orders' })).toBe(false);
    expect(wants(target({ teams: ['billing'] }), { kind: 'token.expiring', team: 'orders' })).toBe(false);
    expect([wants(target({}), { kind: 'token.expiring' }), wants(target({ teams: ['orders'] }), { kind: 'token.expiring' })]).toEqual([true, false]);
  });
});
