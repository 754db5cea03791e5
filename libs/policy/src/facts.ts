import type { Catalog, Resource } from './catalog.js';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

export const trustLevels = ['normal', 'watched', 'distrusted'] as const;
/** What the monitor thinks of a requester: nothing special, worth a look, or caught (a honeytoken, a leak). */
export type TrustLevel = (typeof trustLevels)[number];

/**
 * Everything a decision may depend on; there is no clock among it, so equal facts have the same answer at any time.
 * Whoever calls vouches for each: the team comes from a registry or identity claims, never from the body of a request.
 */
export interface PolicyFacts {
  readonly requester: {
    readonly id: string;
    readonly team: string;
    readonly openIncidents: number;
    /** Normal when left out. */
    readonly trust?: TrustLevel;
  };
  /** Who handed the request in: a person or an upstream. */
  readonly submitter: string;
  readonly resource: string;
  /** Empty or absent means the resource itself; anything else than that is refused. */
  readonly audience?: string;
  readonly scopes: readonly string[];
  readonly environment: string;
  /** Lifetime asked for, counted from issue. */
  readonly ttlSeconds: number;
  /** Extends or narrows a living token. */
  readonly replaces?: boolean;
  /** True only when verified against the living token: same owner, resource and environment, no scope more, no later end. */
  readonly shrinkOnly?: boolean;
}

/** The facts in the one form that equal requests share: scopes sorted and single, defaults filled in. */
export interface CanonicalFacts {
  readonly [key: string]: Json;
  readonly audience: string;
  readonly environment: string;
  readonly replaces: boolean;
  readonly requester: { readonly id: string; readonly openIncidents: number; readonly team: string; readonly trust: TrustLevel };
  readonly resource: string;
  readonly scopes: readonly string[];
  readonly shrinkOnly: boolean;
  readonly submitter: string;
  readonly ttlSeconds: number;
}

export const factCodes = ['invalid-facts', 'wrong-audience', 'unknown-resource', 'unknown-environment', 'unknown-scope'] as const;
/** Why no rule was even asked. */
export type FactCode = (typeof factCodes)[number];
export interface Refusal {
  readonly code: FactCode;
  readonly message: string;
}

/** A hundred years: further than any catalog allows, and far from where integers stop being exact. */
export const maxTtlSeconds = 100 * 365 * 86_400;
const maxScopes = 100;

export function canonicalFacts(facts: PolicyFacts): CanonicalFacts {
  return {
    audience: facts.audience || facts.resource,
    environment: facts.environment,
    replaces: facts.replaces ?? false,
    requester: {
      id: facts.requester.id,
      openIncidents: facts.requester.openIncidents,
      team: facts.requester.team,
      trust: facts.requester.trust ?? 'normal',
    },
    resource: facts.resource,
    scopes: [...new Set(facts.scopes)].sort(),
    shrinkOnly: facts.shrinkOnly ?? false,
    submitter: facts.submitter,
    ttlSeconds: facts.ttlSeconds,
  };
}

/** Refuses facts that are malformed, so that nothing below ever sees a value of another type. */
export function malformed(facts: unknown): Refusal | undefined {
  const invalid = (message: string): Refusal => ({ code: 'invalid-facts', message });
  if (!isRecord(facts) || !isRecord(facts.requester)) return invalid('facts and requester are records');
  const { requester } = facts;
  const texts = { 'requester.id': requester.id, 'requester.team': requester.team, submitter: facts.submitter, resource: facts.resource, environment: facts.environment };
  for (const [name, text] of Object.entries(texts)) {
    if (!isText(text)) return invalid(`${name} is a well-formed text of 1 to 500 characters`);
  }
  if (requester.trust !== undefined && !trustLevels.includes(requester.trust as TrustLevel)) return invalid(`requester.trust is one of ${trustLevels.join(', ')}`);
  if (!isCount(requester.openIncidents, 0, 1_000_000)) return invalid('requester.openIncidents is a whole number');
  if (!isCount(facts.ttlSeconds, 1, maxTtlSeconds)) return invalid('ttlSeconds is a whole number from 1 to a hundred years');
  if (facts.audience !== undefined && typeof facts.audience !== 'string') return invalid('audience is a text');
  for (const flag of ['replaces', 'shrinkOnly'] as const) {
    if (facts[flag] !== undefined && typeof facts[flag] !== 'boolean') return invalid(`${flag} is true or false`);
  }
  if (facts.shrinkOnly === true && facts.replaces !== true) return invalid('only a request that replaces a token can shrink it');
  const { scopes } = facts;
  if (!Array.isArray(scopes) || scopes.length === 0 || scopes.length > maxScopes || !scopes.every(isText)) {
    return invalid(`scopes are 1 to ${maxScopes} texts`);
  }
  return undefined;
}

/** Refuses what the catalog does not know. A wildcard is unknown like any other scope it does not list. */
export function unknownTo(catalog: Catalog, facts: CanonicalFacts): Refusal | undefined {
  const resource = catalog.resources.get(facts.resource);
  if (!resource) return { code: 'unknown-resource', message: `the catalog has no resource "${facts.resource}"` };
  if (facts.audience !== resource.id) return { code: 'wrong-audience', message: `the audience of "${resource.id}" is "${resource.id}" and nothing else` };
  if (!resource.environments.has(facts.environment)) {
    return { code: 'unknown-environment', message: `"${resource.id}" has no environment "${facts.environment}"; it has ${[...resource.environments.keys()].join(', ')}` };
  }
  return unknownScope(resource, facts.scopes);
}

function unknownScope(resource: Resource, scopes: readonly string[]): Refusal | undefined {
  const unknown = scopes.find((scope) => !resource.scopes.has(scope));
  if (unknown === undefined) return undefined;
  const wildcard = unknown.includes('*') ? '; wildcards are never issued' : '';
  return { code: 'unknown-scope', message: `"${resource.id}" has no scope "${unknown}"${wildcard}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 500 && value.isWellFormed();
}

function isCount(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}
