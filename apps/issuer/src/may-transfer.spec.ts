import type { Role } from '@writ/service';
import { mayTransfer } from './may-transfer.js';

const now = new Date('2026-06-01T12:00:00Z');
const at = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
const orphan = { state: 'active', owner_id: 'alice', owner_team: 'orders', orphaned_until: at(5), issue_seq: '7', expires_at: at(100), delivery: { mode: 'claim' } } as const;
const caller = (sub: string, team?: string, ...roles: Role[]) => ({ sub, team, roles: new Set(roles) });
const bob = caller('bob', 'orders');
const ada = caller('ada', 'platform', 'admin');

const cases: [what: string, who: ReturnType<typeof caller>, token: object, to: string | undefined, epochSeq: number, verdict: object][] = [
  ['a colleague takes over what was left', bob, {}, undefined, 0, { to: 'bob' }],
  ['a colleague names itself', bob, {}, 'bob', 0, { to: 'bob' }],
  ['a colleague names somebody else', bob, {}, 'carol', 0, { code: 'forbidden' }],
  ['a colleague, while the owner is there', bob, { orphaned_until: null }, undefined, 0, { code: 'not-offered' }],
  ['a colleague, too late', bob, { orphaned_until: at(-1) }, undefined, 0, { code: 'token-ended' }],
  ['who left takes it back', caller('alice', 'orders'), {}, undefined, 0, { code: 'forbidden' }],
  ['who left hands it on', caller('alice', 'orders'), {}, 'bob', 0, { code: 'forbidden' }],
  ['somebody of another team', caller('eve', 'billing'), {}, undefined, 0, { code: 'forbidden' }],
  ['somebody without a team', caller('eve'), {}, undefined, 0, { code: 'forbidden' }],
  ['an auditor', caller('otto', undefined, 'auditor'), {}, undefined, 0, { code: 'forbidden' }],
  ['an administrator, at any time', ada, { orphaned_until: null }, 'carol', 0, { to: 'carol' }],
  ['an administrator to its owner', ada, {}, 'alice', 0, { code: 'same-owner' }],
  ['an administrator, after its end', ada, { state: 'revoked' }, 'carol', 0, { code: 'token-ended' }],
  ['an administrator, after its time', ada, { expires_at: now }, 'carol', 0, { code: 'token-ended' }],
  ['an administrator, after an epoch ended it', ada, {}, 'carol', 8, { code: 'token-ended' }],
  ['an administrator, after an epoch before it', ada, {}, 'carol', 6, { to: 'carol' }],
  ['an administrator, of a sealed one', ada, { delivery: { mode: 'sealed', keyId: 'k' } }, 'carol', 0, { code: 'delivered-sealed' }],
];

describe('a transfer by', () => {
  it.each(cases)('%s', (_what, who, token, to, epochSeq, verdict) => {
    expect(mayTransfer(who, { ...orphan, ...token }, to, epochSeq, now)).toMatchObject(verdict);
  });
});
