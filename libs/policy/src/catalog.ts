import { didYouMean } from './problem.js';
import type { Problem } from './problem.js';
import { list, object, readYaml, record, string } from './yaml.js';
import type { Reading } from './yaml.js';

export const tiers = ['read', 'write', 'admin'] as const;
export type Tier = (typeof tiers)[number];
export const sensitivities = ['development', 'staging', 'production'] as const;
export type Sensitivity = (typeof sensitivities)[number];

export interface Resource {
  readonly id: string;
  /** The team that owns it; the group of the same name reviews what no rule decides. */
  readonly owner: string;
  readonly environments: ReadonlyMap<string, Sensitivity>;
  readonly scopes: ReadonlyMap<string, Tier>;
}

/** Who reviews. `members` serves analysis only; at the time of a vote the identity provider says who is in a group. */
export interface Group {
  readonly id: string;
  readonly name?: string;
  readonly members?: readonly string[];
}

/** A machine or person known beforehand, so that analysis can see who could never find a second pair of eyes. */
export interface KnownRequester {
  readonly id: string;
  readonly team: string;
  readonly owners: readonly string[];
}

/** What exists: resources with their scopes and tiers, teams, reviewing groups. The audience of a resource is its id. */
export interface Catalog {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly teams: ReadonlySet<string>;
  readonly groups: ReadonlyMap<string, Group>;
  readonly requesters: ReadonlyMap<string, KnownRequester>;
}

const name = { pattern: /^[a-z][a-z0-9-]{0,62}$/, hint: 'a name of small letters, digits and hyphens' };
const environmentName = { pattern: /^[a-z0-9]{1,32}$/, hint: 'a name of small letters and digits' };
const scopeName = { pattern: /^[a-z][a-z0-9._:-]{0,99}$/, hint: 'a scope such as orders:read, without wildcards' };
const personName = { pattern: /^[^\s\p{C}]{1,200}$/u, hint: 'an id without spaces' };

const shape = object(
  {
    teams: record(name, object({}, { name: string() }), 1),
    groups: record(name, object({}, { name: string(), members: list(string(personName)) }), 1),
    resources: record(name, object({
      owner: string(name),
      environments: record(environmentName, object({ sensitivity: string({ oneOf: sensitivities }) }), 1),
      scopes: record(scopeName, object({ tier: string({ oneOf: tiers }) }, { description: string() }), 1),
    }, { description: string() }), 1),
  },
  { requesters: record(personName, object({ team: string(name) }, { owners: list(string(personName)) })) },
);

type Read = NonNullable<ReturnType<typeof shape>>;

/** Reads `catalog.yaml` strictly; undefined and problems when anything in it is not as it must be. */
export function readCatalog(file: string, text: string): { catalog: Catalog | undefined; problems: readonly Problem[] } {
  const { value, reading } = readYaml(file, text, shape);
  if (value) checkReferences(value, reading);
  return { catalog: value && reading.problems.length === 0 ? build(value) : undefined, problems: reading.problems };
}

function checkReferences(read: Read, reading: Reading): void {
  const teamOf = (path: string, team: string): void => {
    if (!Object.hasOwn(read.teams, team)) reading.noteAt(path, 'unknown-team', `there is no team "${team}"${didYouMean(team, Object.keys(read.teams))}`);
  };
  const scopes = new Map<string, string>();
  for (const [id, resource] of Object.entries(read.resources)) {
    teamOf(`resources/${id}/owner`, resource.owner);
    if (!Object.hasOwn(read.groups, resource.owner)) {
      reading.noteAt(`resources/${id}/owner`, 'unknown-group', `the owner "${resource.owner}" needs a group of the same name: it reviews what no rule decides`);
    }
    for (const scope of Object.keys(resource.scopes)) {
      const other = scopes.get(scope);
      if (other) reading.noteAt(`resources/${id}/scopes/${scope}#`, 'duplicate-scope', `the scope "${scope}" is already one of ${other}`);
      scopes.set(scope, id);
    }
  }
  for (const [id, group] of Object.entries(read.groups)) {
    if (group.members?.length === 0) reading.noteAt(`groups/${id}/members`, 'empty-group', `nobody in "${id}" could ever approve; leave members out when the identity provider knows them`);
  }
  for (const [id, requester] of Object.entries(read.requesters ?? {})) teamOf(`requesters/${id}/team`, requester.team);
}

function build(read: Read): Catalog {
  return {
    teams: new Set(Object.keys(read.teams)),
    groups: new Map(Object.entries(read.groups).map(([id, group]) => [id, { id, ...group }])),
    requesters: new Map(Object.entries(read.requesters ?? {}).map(([id, requester]) => [id, { id, team: requester.team, owners: requester.owners ?? [] }])),
    resources: new Map(Object.entries(read.resources).map(([id, resource]) => [id, {
      id,
      owner: resource.owner,
      environments: new Map(Object.entries(resource.environments).map(([env, { sensitivity }]) => [env, sensitivity as Sensitivity])),
      scopes: new Map(Object.entries(resource.scopes).map(([scope, { tier }]) => [scope, tier as Tier])),
    }])),
  };
}
