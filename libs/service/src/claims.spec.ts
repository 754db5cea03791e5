import fc from 'fast-check';
import { callerFrom, isSteppedUp, type ClaimMapping } from './claims.js';

const iss = 'https://id.example';
const usual: ClaimMapping = { roleGroups: { reviewer: ['writ-reviewers'], admin: ['writ-admins'] }, oidcGroupsClaim: 'groups', oidcTeamClaim: 'team', oidcClientClaim: 'client_id' };
const mapped = (more: Partial<ClaimMapping>) => ({ ...usual, ...more });

describe('who calls, by what an identity provider says (G10)', () => {
  it.each<[string, Record<string, unknown>, ClaimMapping]>([
    ['RFC 9068', { client_id: 'writ-cli', groups: ['writ-reviewers'], team: 'orders' }, usual],
    ['Keycloak, by realm roles', { azp: 'writ-cli', realm_access: { roles: ['writ-reviewers'] }, team: 'orders' }, mapped({ oidcGroupsClaim: 'realm_access.roles', oidcClientClaim: 'azp' })],
    ['Auth0, by a claim named as an address', { azp: 'writ-cli', 'https://writ.example/groups': ['writ-reviewers'], 'https://writ.example/team': 'orders' }, mapped({ oidcGroupsClaim: 'https://writ.example/groups', oidcTeamClaim: 'https://writ.example/team', oidcClientClaim: 'azp' })],
    ['Okta', { cid: 'writ-cli', groups: ['writ-reviewers'], department: 'orders' }, mapped({ oidcTeamClaim: 'department', oidcClientClaim: 'cid' })],
    ['Microsoft Entra', { azp: 'writ-cli', roles: ['writ-reviewers'], department: 'orders', idtyp: 'user' }, mapped({ oidcGroupsClaim: 'roles', oidcTeamClaim: 'department', oidcClientClaim: 'azp' })],
  ])('%s', (_, claims, mapping) => {
    const caller = callerFrom({ iss, sub: 'clara', ...claims }, mapping);
    expect(caller).toMatchObject({ kind: 'person', iss, sub: 'clara', groups: ['writ-reviewers'], team: 'orders', clientId: 'writ-cli' });
    expect([...caller.roles]).toEqual(['reviewer']);
  });

  it.each<[string, Record<string, unknown>, ClaimMapping]>([
    ['its subject is its client', { sub: 'robot', client_id: 'robot' }, usual],
    ['its subject is its client, under another name', { sub: 'robot', azp: 'robot' }, mapped({ oidcClientClaim: 'azp' })],
    ['the provider marks it as an application', { sub: '8c0f', client_id: 'robot', idtyp: 'app' }, usual],
  ])('a machine is no person: %s', (_, claims, mapping) => {
    expect(callerFrom({ iss, ...claims }, mapping).kind).toBe('machine');
  });

  it('gives no group, no role and no team for what is said in another shape', () => {
    fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (groups, team) => {
      const caller = callerFrom({ iss, sub: 'clara', groups, team, client_id: 'writ-cli' }, usual);
      const texts = Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [];
      expect(caller.groups).toEqual(texts);
      expect(caller.roles.has('reviewer')).toBe(texts.includes('writ-reviewers'));
      expect(caller.team).toBe(typeof team === 'string' ? team : undefined);
    }));
    for (const groups of ['writ-admins', { 0: 'writ-admins', length: 1 }, [['writ-admins']], undefined]) expect(callerFrom({ iss, sub: 'clara', groups }, usual).roles.size).toBe(0);
  });

  it('finds nothing that an object merely inherits', () => {
    expect(callerFrom({ iss, sub: 'clara' }, mapped({ oidcGroupsClaim: 'constructor.name', oidcTeamClaim: '__proto__.x' }))).toMatchObject({ groups: [], team: undefined });
  });
});

describe('a fresh sign-in', () => {
  const now = new Date('2026-06-01T12:00:00Z');
  const ago = (seconds: number) => now.getTime() / 1000 - seconds;
  it.each<[string, { authTime?: number; acr?: string }, string | undefined, boolean]>([
    ['just now', { authTime: ago(0) }, undefined, true],
    ['within the window', { authTime: ago(299) }, undefined, true],
    ['at its end', { authTime: ago(300) }, undefined, false],
    ['never said', {}, undefined, false],
    ['in the future, within what clocks differ by', { authTime: ago(-4) }, undefined, true],
    ['in the future', { authTime: ago(-60) }, undefined, false],
    ['as strong as is asked for', { authTime: ago(1), acr: 'urn:strong' }, 'urn:strong', true],
    ['weaker than is asked for', { authTime: ago(1), acr: 'urn:weak' }, 'urn:strong', false],
    ['of a strength not said', { authTime: ago(1) }, 'urn:strong', false],
    ['strong, and long ago', { authTime: ago(301), acr: 'urn:strong' }, 'urn:strong', false],
  ])('%s', (_, caller, stepUpAcr, fresh) => {
    expect(isSteppedUp(caller, { stepUpSeconds: 300, stepUpAcr }, now)).toBe(fresh);
  });
});
