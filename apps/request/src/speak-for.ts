import type { Party, Principal, SpeaksFor, Submission, UpstreamRegistration } from '@writ/contracts';
import { refuse, type Refusal } from './refusal.js';

/** Whom a token would be for, and who alone may fetch its secret. */
export interface Voice {
  requester: Party;
  claimant: Principal;
}

/** A person or machine that asks over HTTP. */
export interface Asker extends Principal {
  team?: string;
}

/**
 * Says whom an upstream asks for. The team is the registry's; one that the body names must be it.
 * What is not registered is refused: requester, team and environment each.
 */
export function upstreamVoice(registration: UpstreamRegistration | undefined, body: Submission, issuer: string): Voice | Refusal {
  if (!registration) return refuse('upstream-unknown', 'This upstream is not registered.');
  const grant = grantFor(registration, body);
  if ('refused' in grant) return grant;
  const sub = registration.mayClaim ? registration.name : (grant.claimant ?? body.requester.id);
  return { requester: { id: body.requester.id, team: grant.team }, claimant: { iss: registration.claimantIssuer ?? issuer, sub } };
}

/** Says whom a caller asks for: itself, with the team of its sign-in, or others where the registry lets it. */
export function callerVoice(asker: Asker, registration: UpstreamRegistration | undefined, body: Submission): Voice | Refusal {
  const claimant = { iss: asker.iss, sub: asker.sub };
  const forItself = body.requester.id === asker.sub;
  if (forItself && asker.team !== undefined) {
    if (body.requester.team !== undefined && body.requester.team !== asker.team) return teamMismatch();
    return { requester: { id: asker.sub, team: asker.team }, claimant };
  }
  if (!registration) {
    return forItself
      ? refuse('team-unknown', 'The identity provider names no team for this caller, and the registry has none.')
      : refuse('requester-not-allowed', 'requester.id is not the caller, who may speak for nobody else.', [{ pointer: '/requester/id', message: 'This is not who called.' }]);
  }
  const grant = grantFor(registration, body);
  return 'refused' in grant ? grant : { requester: { id: body.requester.id, team: grant.team }, claimant };
}

function grantFor(registration: UpstreamRegistration, { requester, environment }: Submission): SpeaksFor | Refusal {
  const known = registration.teams.filter((grant) => closeness(grant.requesters ?? registration.requesters, requester.id) >= 0
    && closeness(registration.requesters, requester.id) >= 0);
  if (known.length === 0) {
    return refuse('requester-not-allowed', 'The sender may not speak for this requester.', [{ pointer: '/requester/id', message: 'The sender may not speak for this requester.' }]);
  }
  const ofTeam = requester.team === undefined ? known : known.filter(({ team }) => team === requester.team);
  if (ofTeam.length === 0) return teamMismatch();
  const here = ofTeam.filter(({ environments }) => environments.includes(environment));
  if (here.length === 0) {
    return refuse('environment-not-allowed', 'The sender may not speak for this requester in this environment.', [{ pointer: '/environment', message: 'The sender may not ask for it.' }]);
  }
  if (new Set(here.map(({ team }) => team)).size > 1) {
    return refuse('team-ambiguous', 'The registry knows this requester in several teams.', [{ pointer: '/requester/team', message: 'Name one of the registered teams.' }]);
  }
  const score = (grant: SpeaksFor) => closeness(grant.requesters ?? registration.requesters, requester.id);
  return here.reduce((best, grant) => (score(grant) > score(best) ? grant : best));
}

/** How closely the best of the patterns fits: the length it names, more for a whole name, −1 for none. */
function closeness(patterns: readonly string[], id: string): number {
  return Math.max(-1, ...patterns.map((pattern) => {
    if (!pattern.endsWith('*')) return pattern === id ? Infinity : -1;
    return id.startsWith(pattern.slice(0, -1)) ? pattern.length - 1 : -1;
  }));
}

function teamMismatch(): Refusal {
  return refuse('team-mismatch', 'requester.team is not the team that the registry knows.', [{ pointer: '/requester/team', message: 'The registry knows another team.' }]);
}
