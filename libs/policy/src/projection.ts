import type { Catalog } from './catalog.js';
import type { CanonicalFacts } from './facts.js';
import type { Path } from './mentions.js';

/**
 * One fact as a text that differs whenever what Cedar sees of it does. Requests that agree in every fact a rule looks at
 * are the same to the rule. The facts must be known to the catalog.
 */
export function factAt(catalog: Catalog, path: Path, facts: CanonicalFacts): string {
  const { requester, environment, scopes } = facts;
  const resource = catalog.resources.get(facts.resource)!;
  switch (path) {
    case 'principal': return `${requester.id}\u0001${requester.team}`;
    case 'principal.id': return requester.id;
    case 'principal.team': return requester.team;
    case 'principal.knownTeam': return String(catalog.teams.has(requester.team));
    case 'principal.trust': return requester.trust;
    case 'principal.openIncidents': return String(requester.openIncidents);
    case 'resource': case 'resource.id': return resource.id;
    case 'resource.owner': return resource.owner;
    case 'context.scopes': return scopes.join(' ');
    case 'context.tiers': return scopes.map((scope) => resource.scopes.get(scope)).join(' ');
    case 'context.environment': return environment;
    case 'context.sensitivity': return resource.environments.get(environment)!;
    case 'context.ttlSeconds': return String(facts.ttlSeconds);
    case 'context.submitter': return facts.submitter;
    case 'context.replaces': return String(facts.replaces);
    case 'context.shrinkOnly': return String(facts.shrinkOnly);
    default: return JSON.stringify(facts);
  }
}
