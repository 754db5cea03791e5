/** A person of the development organisation, as an identity provider would describe them. */
export interface Person {
  sub: string;
  name: string;
  /** What this person is here to try, in a few words. */
  purpose: string;
  team: string;
  groups: readonly string[];
}

/** Nobody here can both ask and decide: the requester is in no group that reviews. */
export const people = {
  requester: { sub: 'dev-requester', name: 'Robin Requester', purpose: 'asks for tokens of team orders', team: 'orders', groups: ['writ-requesters'] },
  reviewer: { sub: 'dev-reviewer', name: 'Rita Reviewer', purpose: 'decides what a human must look at', team: 'security', groups: ['orders', 'security', 'writ-reviewers'] },
  reviewer2: { sub: 'dev-reviewer2', name: 'Ravi Reviewer', purpose: 'the second pair of eyes', team: 'security', groups: ['orders', 'security', 'writ-reviewers'] },
  admin: { sub: 'dev-admin', name: 'Ada Admin', purpose: 'registers upstreams and gateways, writes policy', team: 'platform', groups: ['writ-admins'] },
  admin2: { sub: 'dev-admin2', name: 'Alan Admin', purpose: 'activates what the first admin loosened', team: 'platform', groups: ['writ-admins'] },
  auditor: { sub: 'dev-auditor', name: 'Audrey Auditor', purpose: 'proves what happened', team: 'audit', groups: ['writ-auditors'] },
} as const satisfies Record<string, Person>;

export type PersonKey = keyof typeof people;
export const personKeys = Object.keys(people) as PersonKey[];

export const personOf = (sub: string): Person | undefined => Object.values<Person>(people).find((person) => person.sub === sub);

/** How strongly a sign-in at this provider counts: every one of them is fresh, so every one is a step-up. */
export const strongSignIn = 'urn:writ:acr:strong';

/** The claims that services decide by, beside those of RFC 9068. */
export const accessClaims = (person: Person, signIn: { acr: string | undefined; authTime: number | undefined }): Record<string, unknown> => ({
  name: person.name,
  team: person.team,
  groups: [...person.groups],
  ...(signIn.acr === undefined ? {} : { acr: signIn.acr }),
  ...(signIn.authTime === undefined ? {} : { auth_time: signIn.authTime }),
});
