import type { Catalog, Group } from './catalog.js';
import { points } from './grid.js';
import type { Boundaries } from './grid.js';
import type { Mentions } from './mentions.js';
import type { PolicySet } from './policy-set.js';
import type { Problem } from './problem.js';
import type { Rule } from './rule.js';
import { TruthTables } from './truth-tables.js';

/**
 * Finds groups that could never agree. Only groups whose members the catalog lists can be checked; of others the identity
 * provider knows, at the time of the vote. Whoever asks does not count, nor do the owners of the requesting service.
 */
export function quorumProblems(set: PolicySet, mentions: Mentions, boundaries: Boundaries): Problem[] {
  const problems: Problem[] = [];
  for (const rule of set.rules.values()) {
    if (!rule.review) continue;
    const { group: id, approvers } = rule.review;
    const group = set.catalog.groups.get(id)!;
    const note = (code: Problem['code'], message: string): void => void problems.push(rule.source.problem(rule.offset, code, message));
    if (group.members && group.members.length < approvers) {
      note('quorum-unreachable', `"${rule.id}" needs ${approvers} of group "${id}", which has ${group.members.length}`);
      continue;
    }
    const stuck = strandedBy(set.catalog, group, approvers).find((requester) => concerns(set, mentions, boundaries, rule, requester));
    if (stuck) note('group-needs-requester', `when "${stuck}" asks, fewer than ${approvers} of group "${id}" are left to agree to "${rule.id}"`);
  }
  for (const { id, owner } of set.catalog.resources.values()) {
    const [stuck] = strandedBy(set.catalog, set.catalog.groups.get(owner)!, 1);
    if (!stuck) continue;
    problems.push({ file: 'catalog.yaml', line: 1, column: 1, code: 'group-needs-requester', severity: 'error', message: `when "${stuck}" asks for "${id}", nobody else of its owners "${owner}" is left to agree` });
  }
  return problems;
}

/** Those who, when they ask themselves, leave too few of the group. */
function strandedBy(catalog: Catalog, { members }: Group, approvers: number): string[] {
  if (!members) return [];
  const people = new Set([...members, ...catalog.requesters.keys()]);
  return [...people].filter((requester) => {
    const involved = new Set([requester, ...(catalog.requesters.get(requester)?.owners ?? [])]);
    return members.filter((member) => !involved.has(member)).length < approvers;
  });
}

/** Whether the rule could concern a request of this requester. */
function concerns(set: PolicySet, mentions: Mentions, boundaries: Boundaries, rule: Rule, requester: string): boolean {
  const paths = mentions.paths.get(rule.id)!;
  if (!['principal', 'principal.id', 'principal.team', 'principal.knownTeam'].some((path) => paths.has(path))) return true;
  const team = set.catalog.requesters.get(requester)?.team;
  const teams = team === undefined ? boundaries.teams : new Map([...boundaries.teams.keys()].map((id) => [id, [team]]));
  const requests = points(set.catalog, { ...boundaries, requesters: [requester], teams });
  return new TruthTables({ ...set, rules: new Map([[rule.id, rule]]) }, mentions, requests).isEverSatisfied(rule.id);
}
