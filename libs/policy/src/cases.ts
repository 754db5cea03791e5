import { sensitivities, tiers } from './catalog.js';
import type { Catalog, Sensitivity, Tier } from './catalog.js';
import type { DecisionCode, Outcome } from './decision.js';
import { decisionCodes, outcomes } from './decision.js';
import { parseDuration } from './duration.js';
import { trustLevels } from './facts.js';
import type { PolicyFacts, TrustLevel } from './facts.js';
import { didYouMean } from './problem.js';
import type { Problem } from './problem.js';
import { boolean, integer, list, object, readYaml, record, string } from './yaml.js';
import type { Reading } from './yaml.js';

/** A request and the answer the authors of a set swear by. */
export interface GoldenCase {
  readonly name: string;
  readonly facts: PolicyFacts;
  readonly expect: Expectation;
  readonly place: Pick<Problem, 'file' | 'line' | 'column'>;
}

export interface Expectation {
  readonly outcome: Outcome;
  readonly code?: DecisionCode;
  readonly require?: Readonly<Record<string, number>>;
  readonly maxTtlSeconds?: number;
  readonly rotateSeconds?: number;
  /** Rules that must be among those that decided. */
  readonly because?: readonly string[];
}

/** "No request of this kind is ever approved without a human." What is left out stands for any. */
export interface Assertion {
  readonly name: string;
  readonly when: {
    readonly resources?: readonly string[];
    readonly environments?: readonly string[];
    readonly sensitivities?: readonly Sensitivity[];
    /** At least one scope is of one of these tiers. */
    readonly tiers?: readonly Tier[];
    /** At least one scope is one of these. */
    readonly scopes?: readonly string[];
    readonly trust?: readonly TrustLevel[];
    readonly knownTeam?: boolean;
    readonly shrinkOnly?: boolean;
    readonly longerThanSeconds?: number;
  };
  readonly place: Pick<Problem, 'file' | 'line' | 'column'>;
}

const duration = string({ pattern: /^P/, hint: 'a duration such as P30D' });
const someText = string({ pattern: /\S/, hint: 'a text' });

const shape = object(
  {
    cases: list(object({
      name: someText,
      request: object(
        { requester: someText, team: someText, resource: someText, scopes: list(someText, 1), environment: someText, ttl: duration },
        { trust: string({ oneOf: trustLevels }), openIncidents: integer(0, 1_000_000), submitter: someText, audience: someText, replaces: boolean, shrinkOnly: boolean },
      ),
      expect: object(
        { outcome: string({ oneOf: outcomes }) },
        {
          code: string({ oneOf: decisionCodes }), maxTtl: duration, rotate: duration, because: list(someText, 1),
          require: record({ pattern: /./, hint: 'a group' }, integer(1, 5), 1),
        },
      ),
    })),
  },
  {
    assertions: list(object({
      name: someText,
      never: string({ oneOf: ['approve'] }),
      when: object({}, {
        resources: list(someText, 1), environments: list(someText, 1), sensitivities: list(string({ oneOf: sensitivities }), 1),
        tiers: list(string({ oneOf: tiers }), 1), scopes: list(someText, 1), trust: list(string({ oneOf: trustLevels }), 1),
        knownTeam: boolean, shrinkOnly: boolean, longerThan: duration,
      }),
    })),
  },
);

type Read = NonNullable<ReturnType<typeof shape>>;

/** Reads `cases.yaml`: golden cases, at least one, and assertions of the set's own. */
export function readCases(file: string, text: string, catalog: Catalog, ruleIds: ReadonlySet<string>): { cases: GoldenCase[]; assertions: Assertion[]; problems: readonly Problem[] } {
  const { value, reading } = readYaml(file, text, shape);
  if (!value) return { cases: [], assertions: [], problems: reading.problems };
  if (value.cases.length === 0) reading.noteAt('cases', 'no-cases', 'a set swears by at least one case');
  const names = new Set<string>();
  const once = (path: string, name: string): void => {
    if (names.has(name)) reading.noteAt(path, 'duplicate-case', `"${name}" is already there`);
    names.add(name);
  };
  const cases = value.cases.map((read, i) => {
    once(`cases/${i}/name`, read.name);
    return caseOf(read, `cases/${i}`, reading, catalog, ruleIds);
  });
  const assertions = (value.assertions ?? []).map((read, i) => {
    once(`assertions/${i}/name`, read.name);
    return assertionOf(read, `assertions/${i}`, reading, catalog);
  });
  return { cases, assertions, problems: reading.problems };
}

function caseOf(read: Read['cases'][number], path: string, reading: Reading, catalog: Catalog, ruleIds: ReadonlySet<string>): GoldenCase {
  const { request, expect } = read;
  for (const [i, rule] of (expect.because ?? []).entries()) {
    if (!ruleIds.has(rule)) reading.noteAt(`${path}/expect/because/${i}`, 'unknown-rule', `there is no rule "${rule}"${didYouMean(rule, ruleIds)}`);
  }
  for (const group of Object.keys(expect.require ?? {})) {
    if (!catalog.groups.has(group)) reading.noteAt(`${path}/expect/require/${group}#`, 'unknown-group', `the catalog has no group "${group}"${didYouMean(group, catalog.groups.keys())}`);
  }
  const seconds = (name: string, text: string | undefined): number | undefined => (text === undefined ? undefined : durationAt(`${path}/${name}`, text, reading));
  return {
    name: read.name,
    place: reading.placeOf(`${path}/name`),
    facts: {
      requester: { id: request.requester, team: request.team, trust: (request.trust ?? 'normal') as TrustLevel, openIncidents: request.openIncidents ?? 0 },
      submitter: request.submitter ?? request.requester,
      resource: request.resource,
      ...(request.audience === undefined ? {} : { audience: request.audience }),
      scopes: request.scopes,
      environment: request.environment,
      ttlSeconds: durationAt(`${path}/request/ttl`, request.ttl, reading) ?? 0,
      replaces: request.replaces ?? request.shrinkOnly ?? false,
      shrinkOnly: request.shrinkOnly ?? false,
    },
    expect: {
      outcome: expect.outcome as Outcome,
      ...(expect.code === undefined ? {} : { code: expect.code as DecisionCode }),
      ...(expect.require === undefined ? {} : { require: expect.require }),
      ...(expect.because === undefined ? {} : { because: expect.because }),
      maxTtlSeconds: seconds('expect/maxTtl', expect.maxTtl),
      rotateSeconds: seconds('expect/rotate', expect.rotate),
    },
  };
}

function assertionOf(read: NonNullable<Read['assertions']>[number], path: string, reading: Reading, catalog: Catalog): Assertion {
  const { longerThan, ...when } = read.when;
  const resources = [...catalog.resources.values()];
  const knownNames = {
    resources: [...catalog.resources.keys()],
    environments: [...new Set(resources.flatMap((resource) => [...resource.environments.keys()]))],
    scopes: resources.flatMap((resource) => [...resource.scopes.keys()]),
  };
  for (const kind of ['resources', 'environments', 'scopes'] as const) {
    for (const [i, word] of (when[kind] ?? []).entries()) {
      // A misspelt name would make the assertion hold of nothing, and so always.
      if (!knownNames[kind].includes(word)) reading.noteAt(`${path}/when/${kind}/${i}`, 'bad-value', `the catalog has no "${word}"${didYouMean(word, knownNames[kind])}`);
    }
  }
  return {
    name: read.name,
    place: reading.placeOf(`${path}/name`),
    when: {
      ...(when as Assertion['when']),
      ...(longerThan === undefined ? {} : { longerThanSeconds: durationAt(`${path}/when/longerThan`, longerThan, reading) }),
    },
  };
}

function durationAt(path: string, text: string, reading: Reading): number | undefined {
  const seconds = parseDuration(text);
  if (seconds === undefined) reading.noteAt(path, 'bad-duration', `"${text}" is not a duration of weeks, days, hours, minutes or seconds such as "P30D"`);
  return seconds;
}
