import fc from 'fast-check';
import { detectors, misuseActions, type ResponseRule } from '@writ/contracts';
import { weight, type Finding } from './detect.js';
import { permission, permitted } from './respond.js';
import type { KnownToken } from '../usage/token.store.js';

const token: KnownToken = {
  token_id: 'tok_a', owner_id: 'svc:importer', team: 'orders', resource: 'orders', environment: 'prod', scopes: ['orders:read', 'orders:write'], issued_at: new Date(0), expires_at: new Date(0),
  state: 'active', retired_generation: 0,
};
const rule = (more: Partial<ResponseRule> = {}): ResponseRule => ({ id: 'r', reason: 'why', most: 'suspend', ...more });
const burst: Finding = { detector: 'burst-from-new-network', action: 'suspend', explanation: 'Many calls.' };
const off = new Map<string, never>();

const permissions: [what: string, rules: ResponseRule[], detector: string, most: string][] = [
  ['no rule at all: the owner is told', [], 'rate', 'notify'],
  ['no rule at all: where bait was taken it is stopped', [], 'honeytoken-source', 'suspend'],
  ['a rule about everything', [rule()], 'rate', 'suspend'],
  ['a rule about another detector', [rule({ detectors: ['awakening'] })], 'rate', 'notify'],
  ['a rule about this owner', [rule({ owners: ['svc:importer'] })], 'rate', 'suspend'],
  ['a rule about owners that begin alike', [rule({ owners: ['svc:imp*'] })], 'rate', 'suspend'],
  ['a rule about others', [rule({ owners: ['svc:imp'] })], 'rate', 'notify'],
  ['a rule about the team, elsewhere', [rule({ teams: ['orders'], environments: ['dev'] })], 'rate', 'notify'],
  ['a rule about one of its scopes', [rule({ scopes: ['orders:write', 'orders:admin'] })], 'rate', 'suspend'],
  ['a rule about scopes that it does not have', [rule({ scopes: ['orders:admin'] })], 'rate', 'notify'],
  ['two rules: the stricter', [rule({ most: 'revoke' }), rule({ most: 'note', teams: ['orders'] })], 'rate', 'note'],
];

describe('what a policy set lets a detector do', () => {
  it.each(permissions)('%s', (_what, rules, detector, most) => {
    expect(permission(rules, detector, token).most).toBe(most);
  });

  it('is the strictest of all for a token that is not known yet', () => {
    expect(permission([rule(), rule({ owners: ['somebody'], most: 'note' })], 'rate', undefined).most).toBe('note');
  });

  it('turns a stop into one for good only where a rule says so', () => {
    expect(permitted([burst], { rules: [rule({ most: 'revoke' })], limits: off }, token)).toMatchObject([{ action: 'revoke' }]);
    expect(permitted([{ ...burst, action: 'notify' }], { rules: [rule({ most: 'revoke' })], limits: off }, token)).toMatchObject([{ action: 'notify' }]);
  });

  it('says who held a stop back', () => {
    expect(permitted([burst], { rules: [], limits: off }, token)[0]?.explanation).toBe('Many calls. Not stopped: no rule of the policy set allows more than notify.');
    expect(permitted([burst], { rules: [rule()], limits: new Map([['burst-from-new-network', 'note' as const]]) }, token)[0]).toEqual({ ...burst, action: 'note', explanation: 'Many calls. Not stopped: an administrator holds this detector at note.' });
  });

  it('is never exceeded, for every finding, rule and kill switch', () => {
    const most = fc.constantFrom(...misuseActions);
    const rules = fc.array(fc.record({ id: fc.constant('r'), reason: fc.constant('why'), most }, { requiredKeys: ['id', 'reason', 'most'] }), { maxLength: 4 });
    fc.assert(fc.property(rules, fc.constantFrom(...detectors), most, fc.option(fc.constantFrom('off' as const, 'note' as const, 'notify' as const, 'suspend' as const)), (all, detector, action, limit) => {
      const found = permitted([{ detector, action, explanation: 'x' }], { rules: all, limits: new Map(limit ? [[detector, limit]] : []) }, token);
      const bound = Math.min(weight[permission(all, detector, token).most], limit === null || limit === 'off' ? 3 : weight[limit]);
      expect(found.every((each) => weight[each.action] <= bound)).toBe(true);
      expect(found.length).toBe(limit === 'off' ? 0 : 1);
    }));
  });

  it('lets the strongest that is left speak', () => {
    const rate: Finding = { detector: 'rate', action: 'notify', explanation: 'y' };
    expect(permitted([burst, rate], { rules: [rule()], limits: new Map([['burst-from-new-network', 'note' as const]]) }, token).map(({ detector }) => detector)).toEqual(['rate', 'burst-from-new-network']);
  });
});
