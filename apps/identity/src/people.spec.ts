import { accessClaims, people, personKeys, personOf, strongSignIn } from './people.js';

describe('people of the development organisation', () => {
  it('keeps whoever asks out of every group that decides', () => {
    const deciding = new Set<string>([...people.reviewer.groups, ...people.reviewer2.groups, ...people.admin.groups]);
    expect(people.requester.groups.filter((group) => deciding.has(group))).toEqual([]);
  });

  it('gives every quorum of two its two distinct people', () => {
    for (const [one, two] of [[people.reviewer, people.reviewer2], [people.admin, people.admin2]] as const) {
      expect(one.sub).not.toBe(two.sub);
      expect(one.groups).toEqual(two.groups);
    }
  });

  it('finds everybody by subject and nobody by another name', () => {
    for (const key of personKeys) expect(personOf(people[key].sub)).toBe(people[key]);
    expect(personOf('toString')).toBeUndefined();
  });

  it('says how and when the person signed in, or leaves it out', () => {
    expect(accessClaims(people.reviewer, { acr: strongSignIn, authTime: 7 })).toMatchObject({ acr: strongSignIn, auth_time: 7, groups: ['orders', 'security', 'writ-reviewers'] });
    expect(accessClaims(people.requester, { acr: undefined, authTime: undefined })).toEqual({ name: 'Robin Requester', team: 'orders', groups: ['writ-requesters'] });
  });
});
