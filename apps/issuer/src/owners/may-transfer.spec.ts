import type { Role } from '@writ/service';
import { mayTransfer } from './may-transfer.js';

const now = new Date('2026-06-01T12:00:00Z');
const at = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
const orphan = { state: 'active', owner_id: 'alice', owner_team: 'orders', orphaned_until: at(5), expires_at: at(100), delivery: { mode: 'claim' } } as const;
const caller = (sub: string, team?: string, ...roles: Role[]) => ({ sub, team, roles: new Set(roles) });
const bob = caller('bob', 'orders');
const ada = caller('ada', 'platform', 'admin');

const cases: [what: string, who: ReturnType<typeof caller>, token: object, to: string | undefined, verdict: object][] = [
  ['a colleague takes over what was left', bob, {}, undefined, { to: 'bob' }],
  ['a colleague names itself', bob, {}, 'bob', { to: 'bob' }],
  ['a colleague names somebody else', bob, {}, 'carol', { code: 'forbidden' }],
  ['a colleague, while the owner is there', bob, { orphaned_until: null }, undefined, { code: 'not-offered' }],
  ['a colleague, too late', bob, { orphaned_until: at(-1) }, undefined, { code: 'token-ended' }],
  ['who left takes it back', caller('alice', 'orders'), {}, undefined, { code: 'forbidden' }],
  ['who left hands it on', caller('alice', 'orders'), {}, 'bob', { code: 'forbidden' }],
  ['somebody of another team', caller('eve', 'billing'), {}, undefined, { code: 'forbidden' }],
  ['somebody without a team', caller('eve'), {}, undefined, { code: 'forbidden' }],
  ['an auditor', caller('otto', undefined, 'auditor'), {}, undefined, { code: 'forbidden' }],
  ['an administrator, at any time', ada, { orphaned_until: null }, 'carol', { to: 'carol' }],
  ['an administrator to its owner', ada, {}, 'alice', { code: 'same-owner' }],
  ['an administrator, after its end', ada, { state: 'revoked' }, 'carol', { code: 'token-ended' }],
  ['an administrator, after its time', ada, { expires_at: now }, 'carol', { code: 'token-ended' }],
  ['an administrator, of a sealed one', ada, { delivery: { mode: 'sealed', keyId: 'k' } }, 'carol', { code: 'delivered-sealed' }],
];

describe('a transfer by', () => {
  it.each(cases)('%s', (_what, who, token, to, verdict) => {
    expect(mayTransfer(who, { ...orphan, ...token }, to, now)).toMatchObject(verdict);
  });
});
