import { mayVote, type MayNotVote, type Voter } from './may-vote.js';

const iss = 'https://id.example';
const request = { requester: { id: 'svc:nightly' }, submitter: { iss, sub: 'sam' }, claimant: { iss, sub: 'clara' } };
const require = [{ group: 'security', approvers: 2 }, { group: 'orders', approvers: 1 }];
const voter = (sub: string, groups = ['security'], more: Partial<Voter> = {}): Voter => ({ iss, sub, kind: 'person', groups, ...more });

const table: [string, Voter, string[], true | MayNotVote][] = [
  ['a person of one of the groups', voter('rita'), [], true],
  ['a person of the other group', voter('rita', ['orders', 'everybody']), [], true],
  ['the requester', voter('svc:nightly'), [], 'own-request'],
  ['who handed it in', voter('sam'), [], 'own-request'],
  ['who will claim it', voter('clara'), [], 'own-request'],
  ['the same person through another provider', voter('clara', ['security'], { iss: 'https://other.example' }), [], 'own-request'],
  ['an owner of the requesting service', voter('rita'), ['rita'], 'owner-of-requester'],
  ['a person of no group that must agree', voter('rita', ['billing']), [], 'not-in-a-group'],
  ['a person of a group with a similar name', voter('rita', ['Security', 'security ', 'team/security', 'securit']), [], 'not-in-a-group'],
  ['a person without groups', voter('rita', []), [], 'not-in-a-group'],
  ['a machine', voter('bot', ['security'], { kind: 'machine' }), [], 'not-a-person'],
  ['a gateway', voter('gate', ['security'], { kind: 'gateway' }), [], 'not-a-person'],
];

describe('who may vote (G10)', () => {
  it.each(table)('%s', (_who, who, owners, expected) => expect(mayVote(who, request, owners, require)).toBe(expected));

  it('nobody, where no group must agree: an empty list lets nobody through', () => {
    expect(mayVote(voter('rita'), request, [], [])).toBe('not-in-a-group');
  });
});
