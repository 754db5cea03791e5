import type { Context, Entities, SchemaJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from './catalog.js';
import type { CanonicalFacts } from './facts.js';

/** The three things asked of a policy set about one request. */
export const questions = ['consider', 'autoApprove', 'oblige'] as const;
export type Question = (typeof questions)[number];

const text = { type: 'String' } as const;
const long = { type: 'Long' } as const;
const flag = { type: 'Boolean' } as const;
const texts = { type: 'Set', element: text } as const;
const teamEntity = { type: 'Entity', name: 'Team' } as const;

/**
 * The Cedar schema every policy is held to. Every attribute is required: a rule can not fail for want of one. It says
 * nothing of a single catalog except that teams, environments and tiers are what {@link cedarRequest} makes of it.
 */
export const cedarSchema: SchemaJson<string> = {
  '': {
    entityTypes: {
      Team: {},
      Requester: {
        memberOfTypes: ['Team'],
        shape: { type: 'Record', attributes: { id: text, team: teamEntity, knownTeam: flag, trust: text, openIncidents: long } },
      },
      Resource: { shape: { type: 'Record', attributes: { id: text, owner: teamEntity } } },
    },
    actions: Object.fromEntries(questions.map((question) => [question, {
      appliesTo: {
        principalTypes: ['Requester'],
        resourceTypes: ['Resource'],
        context: {
          type: 'Record',
          attributes: {
            scopes: texts, tiers: texts, environment: text, sensitivity: text, ttlSeconds: long,
            submitter: text, replaces: flag, shrinkOnly: flag,
          },
        },
      },
    }])),
  },
};

/** A request as Cedar takes it, the same for all three questions. */
export interface CedarRequest {
  readonly principal: TypeAndId;
  readonly resource: TypeAndId;
  readonly entities: Entities;
  readonly context: Context;
}

/** Sets facts against the catalog. They must have passed {@link unknownTo}. */
export function cedarRequest(catalog: Catalog, facts: CanonicalFacts): CedarRequest {
  const known = catalog.resources.get(facts.resource)!;
  const { requester } = facts;
  const principal = { type: 'Requester', id: requester.id };
  const resource = { type: 'Resource', id: known.id };
  const team = { type: 'Team', id: requester.team };
  const owner = { type: 'Team', id: known.owner };
  const entities: Entities = [
    {
      uid: principal,
      attrs: {
        id: requester.id, team: { __entity: team }, knownTeam: catalog.teams.has(requester.team),
        trust: requester.trust, openIncidents: requester.openIncidents,
      },
      parents: [team],
    },
    { uid: team, attrs: {}, parents: [] },
    { uid: resource, attrs: { id: known.id, owner: { __entity: owner } }, parents: [] },
  ];
  if (owner.id !== team.id) entities.push({ uid: owner, attrs: {}, parents: [] });
  return {
    principal,
    resource,
    entities,
    context: {
      scopes: [...facts.scopes],
      tiers: [...new Set(facts.scopes.map((scope) => known.scopes.get(scope)!))].sort(),
      environment: facts.environment,
      sensitivity: known.environments.get(facts.environment)!,
      ttlSeconds: facts.ttlSeconds,
      submitter: facts.submitter,
      replaces: facts.replaces,
      shrinkOnly: facts.shrinkOnly,
    },
  };
}
