import type { Assertion } from './cases.js';
import type { Catalog, Resource } from './catalog.js';
import { maxTtlSeconds, trustLevels } from './facts.js';
import type { CanonicalFacts, TrustLevel } from './facts.js';
import type { Mentions, Path } from './mentions.js';
import { witnesses } from './witnesses.js';

/** The values that are tried of each fact: every one the catalog has, and every one at which a rule could change its mind. */
export interface Boundaries {
  readonly ttlSeconds: readonly number[];
  readonly openIncidents: readonly number[];
  readonly requesters: readonly string[];
  readonly submitters: readonly string[];
  /** By resource: its owner, one of the teams that no rule names, an unknown one, and all that are named. */
  readonly teams: ReadonlyMap<string, readonly string[]>;
  readonly trust: readonly TrustLevel[];
  /** `[replaces, shrinkOnly]` */
  readonly replacing: readonly (readonly [boolean, boolean])[];
  /** By resource: sets of scopes. A scope no rule names is like any other of its tier, so one stands for all. */
  readonly scopeSets: ReadonlyMap<string, readonly (readonly string[])[]>;
}

const maxNamedScopes = 12;

/**
 * Works out what to try; a text says what there is too much of. With `also`, scopes are told apart by what another
 * catalog says of them too, so that two sets can be compared.
 */
export function boundariesOf(catalog: Catalog, mentions: Mentions, assertions: readonly Assertion[], also?: Catalog): Boundaries | string {
  const looked = new Set([...mentions.paths.values()].flatMap((paths) => [...paths]));
  const asserted = (key: keyof Assertion['when']): boolean => assertions.some(({ when }) => when[key] !== undefined);
  const looksAt = (...paths: Path[]): boolean => paths.some((path) => looked.has(path) || looked.has(path.split('.')[0]!));

  const patterns = [...(mentions.texts.get('principal.id') ?? []), ...(mentions.texts.get('context.submitter') ?? [])];
  const names = patterns.length === 0 ? [] : witnesses(patterns);
  if (!names) return 'patterns over names that overlap in too many ways';
  const named = mentions.entities.filter(({ type }) => type === 'Requester').map(({ id }) => id);
  const anybody = patterns.length > 0 ? [] : [freshName('anybody', named)];
  const looksAtNames = looksAt('principal.id', 'principal', 'context.submitter');

  const scopeSets = new Map<string, string[][]>();
  const namedScopes = new Set([...(mentions.texts.get('context.scopes') ?? []).map((pattern) => pattern.join('')), ...assertions.flatMap(({ when }) => when.scopes ?? [])]);
  for (const resource of catalog.resources.values()) {
    const apart = scopesApart(resource, namedScopes, also?.resources.get(resource.id));
    if (apart.length > maxNamedScopes) return `${apart.length} scopes of "${resource.id}" that rules tell apart; at most ${maxNamedScopes}`;
    scopeSets.set(resource.id, subsets(apart));
  }
  const namedTeams = mentions.entities.filter(({ type }) => type === 'Team').map(({ id }) => id);
  const looksAtTeams = looksAt('principal', 'principal.team', 'principal.knownTeam') || asserted('knownTeam');
  const teams = new Map([...catalog.resources.values()].map(({ id, owner }) => [id, looksAtTeams ? teamsApart(catalog, owner, namedTeams, also) : [owner]]));
  const ttls = [...(mentions.integers.get('context.ttlSeconds') ?? []), ...assertions.flatMap(({ when }) => when.longerThanSeconds ?? [])];
  return {
    ttlSeconds: around(ttls, 1, maxTtlSeconds),
    openIncidents: looksAt('principal.openIncidents') ? around(mentions.integers.get('principal.openIncidents') ?? [], 0, 1_000_000) : [0],
    requesters: looksAtNames ? [...new Set([...named, ...names, ...anybody])] : [freshName('anybody', [])],
    submitters: looksAt('context.submitter') ? [...new Set([...named, ...names, ...anybody, freshName('somebody-else', named)])] : [freshName('anybody', [])],
    teams,
    trust: looksAt('principal.trust') || asserted('trust') ? trustLevels : ['normal'],
    replacing: looksAt('context.replaces', 'context.shrinkOnly') || asserted('shrinkOnly') ? [[false, false], [true, false], [true, true]] : [[false, false]],
    scopeSets,
  };
}

/** How many requests {@link points} makes. */
export function sizeOf(catalog: Catalog, boundaries: Boundaries): number {
  const { ttlSeconds, openIncidents, requesters, submitters, teams, trust, replacing, scopeSets } = boundaries;
  const each = ttlSeconds.length * openIncidents.length * requesters.length * submitters.length * trust.length * replacing.length;
  return [...catalog.resources.values()].reduce((sum, resource) => sum + each * resource.environments.size * scopeSets.get(resource.id)!.length * teams.get(resource.id)!.length, 0);
}

/** Every request of catalog × boundaries. */
export function* points(catalog: Catalog, b: Boundaries): Generator<CanonicalFacts> {
  for (const resource of catalog.resources.values()) {
    for (const environment of resource.environments.keys()) for (const scopes of b.scopeSets.get(resource.id)!) {
      for (const id of b.requesters) for (const team of b.teams.get(resource.id)!) for (const trust of b.trust) for (const openIncidents of b.openIncidents) {
        const requester = { id, openIncidents, team, trust };
        for (const submitter of b.submitters) for (const [replaces, shrinkOnly] of b.replacing) for (const ttlSeconds of b.ttlSeconds) {
          yield { audience: resource.id, environment, replaces, requester, resource: resource.id, scopes, shrinkOnly, submitter, ttlSeconds };
        }
      }
    }
  }
}

function scopesApart(resource: Resource, named: ReadonlySet<string>, also: Resource | undefined): string[] {
  const kinds = new Map<string, string>();
  for (const [scope, tier] of resource.scopes) {
    const kind = named.has(scope) ? `named ${scope}` : `${tier} ${also?.scopes.get(scope)}`;
    if (!kinds.has(kind)) kinds.set(kind, scope);
  }
  return [...kinds.values()].sort();
}

/** A request meets one resource only: of the teams that neither own it nor are named, one is like another. */
function teamsApart(catalog: Catalog, owner: string, named: readonly string[], also: Catalog | undefined): string[] {
  const kinds = new Map<string, string>();
  for (const team of [...catalog.teams, ...(also?.teams ?? [])]) {
    if (team !== owner && !named.includes(team)) kinds.set(`${catalog.teams.has(team)} ${also?.teams.has(team)}`, team);
  }
  const apart = [...new Set([owner, ...named, ...kinds.values()])];
  return [...apart, freshName('unknown-team', [...apart, ...catalog.teams, ...(also?.teams ?? [])])];
}

function subsets(items: readonly string[]): string[][] {
  return Array.from({ length: 2 ** items.length - 1 }, (_, i) => items.filter((_item, bit) => ((i + 1) >> bit) & 1));
}

function around(numbers: Iterable<number>, min: number, max: number): number[] {
  const values = [...numbers].flatMap((number) => [number - 1, number, number + 1]).filter((value) => value >= min && value <= max);
  return [...new Set([min, ...values, max])].sort((a, b) => a - b);
}

function freshName(name: string, taken: readonly string[]): string {
  return taken.includes(name) ? freshName(`${name}-`, taken) : name;
}
