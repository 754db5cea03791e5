import fc from 'fast-check';
import type { Submission, UpstreamRegistration } from '@writ/contracts';
import { isRefusal } from './refusal.js';
import { callerVoice, upstreamVoice } from './speak-for.js';

const issuer = 'https://id.example';
const ci: UpstreamRegistration = {
  name: 'ci',
  requesters: ['svc:*', 'bot'],
  teams: [
    { team: 'orders', environments: ['dev', 'prod'], requesters: ['svc:orders-*', 'bot'] },
    { team: 'billing', environments: ['dev'], requesters: ['svc:billing-*'], claimant: 'billing-lead' },
    { team: 'platform', environments: ['dev'], requesters: ['svc:both'] },
    { team: 'security', environments: ['dev'], requesters: ['svc:both'] },
  ],
};
const ask = (id: string, environment = 'dev', team?: string) =>
  ({ requester: { id, team }, reason: 'x', resource: 'orders', scopes: ['orders:read'], environment, ttl: 'P1D', delivery: { mode: 'claim' } }) as Submission;

describe('an upstream', () => {
  it.each([
    ['a requester of a registered pattern', 'svc:orders-nightly', 'prod', undefined, { team: 'orders', sub: 'svc:orders-nightly' }],
    ['a requester by its whole name', 'bot', 'dev', undefined, { team: 'orders', sub: 'bot' }],
    ['a requester whose secrets another fetches', 'svc:billing-x', 'dev', 'billing', { team: 'billing', sub: 'billing-lead' }],
    ['a requester of two teams that names one', 'svc:both', 'dev', 'security', { team: 'security', sub: 'svc:both' }],
  ])('speaks for %s', (_, id, environment, team, expected) => {
    expect(upstreamVoice(ci, ask(id, environment, team), issuer)).toEqual({ requester: { id, team: expected.team }, claimant: { iss: issuer, sub: expected.sub } });
  });

  it.each([
    ['a requester that is not registered', 'alice', 'dev', undefined, 'requester-not-allowed'],
    ['a beginning of a registered whole name', 'bo', 'dev', undefined, 'requester-not-allowed'],
    ['a longer name than a registered whole name', 'bot2', 'dev', undefined, 'requester-not-allowed'],
    ['a requester of a pattern that no team has', 'svc:unmapped', 'dev', undefined, 'requester-not-allowed'],
    ['another team than the registry knows', 'svc:orders-nightly', 'dev', 'billing', 'team-mismatch'],
    ['an environment that is not registered', 'svc:billing-x', 'prod', undefined, 'environment-not-allowed'],
    ['a requester of two teams without naming one', 'svc:both', 'dev', undefined, 'team-ambiguous'],
  ])('does not speak for %s (G10)', (_, id, environment, team, code) => {
    expect(upstreamVoice(ci, ask(id, environment, team), issuer)).toMatchObject({ refused: true, code });
  });

  it('speaks for nobody without a registration (G10)', () => {
    expect(upstreamVoice(undefined, ask('svc:a'), issuer)).toMatchObject({ code: 'upstream-unknown' });
  });

  it('never gets a team that is not registered, for every body (G10)', () => {
    fc.assert(fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), fc.constantFrom('dev', 'prod', 'x'), (id, team, environment) => {
      const voice = upstreamVoice(ci, ask(id, environment, team), issuer);
      return isRefusal(voice) || ci.teams.some((grant) => grant.team === voice.requester.team && grant.environments.includes(environment));
    }));
  });

  it('fetches secrets itself only where it is registered to (G10)', () => {
    expect(upstreamVoice({ ...ci, mayClaim: true }, ask('bot'), issuer)).toMatchObject({ claimant: { iss: issuer, sub: 'ci' } });
  });
});

describe('a caller', () => {
  const alice = { iss: issuer, sub: 'alice', team: 'orders' };

  it('asks for itself with the team of its sign-in', () => {
    expect(callerVoice(alice, undefined, ask('alice'))).toEqual({ requester: { id: 'alice', team: 'orders' }, claimant: { iss: issuer, sub: 'alice' } });
  });
  it('asks for others where the registry lets it, and fetches the secret itself', () => {
    expect(callerVoice(alice, ci, ask('svc:orders-a'))).toEqual({ requester: { id: 'svc:orders-a', team: 'orders' }, claimant: { iss: issuer, sub: 'alice' } });
  });
  it.each([
    ['for somebody else', alice, ask('bob'), 'requester-not-allowed'],
    ['in the name of another team', alice, ask('alice', 'dev', 'billing'), 'team-mismatch'],
    ['without any team', { iss: issuer, sub: 'alice' }, ask('alice'), 'team-unknown'],
  ])('does not ask %s (G10)', (_, asker, body, code) => {
    expect(callerVoice(asker, undefined, body)).toMatchObject({ refused: true, code });
  });
});
