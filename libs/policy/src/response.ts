import type { Detector, MisuseAction, ResponseRule } from '@writ/contracts';
import { tiers } from './catalog.js';
import type { Catalog } from './catalog.js';
import { didYouMean } from './problem.js';
import type { Problem } from './problem.js';
import { list, object, readYaml, string } from './yaml.js';
import type { Reading } from './yaml.js';

// Types alone are taken from the contracts, whose classes cost every decider's thread its start; these must name all of them.
const detectors: Record<Detector, true> = {
  honeytoken: true, 'honeytoken-source': true, 'burst-from-new-network': true, rate: true, 'new-network': true, 'new-caller': true, awakening: true,
  'denied-scopes': true, 'dead-secret': true, 'one-source-many-tokens': true, 'new-country': true, 'impossible-travel': true,
};
const actions: Record<MisuseAction, true> = { note: true, notify: true, suspend: true, revoke: true };

/** What is said on the bus must fit into a message beside everything else. */
const maxBytes = 32 * 1024;
const maxRules = 64;

const texts = list(string({ pattern: /\S/, hint: 'a text' }), 1);
const shape = object({
  rules: list(object(
    {
      id: string({ pattern: /^[a-z][a-z0-9-]{0,63}$/, hint: 'an id of small letters, digits and hyphens' }),
      reason: string({ pattern: /^[^\0]{1,500}$/s, hint: 'a reason of 1 to 500 characters: it is what people will read' }),
      most: string({ oneOf: Object.keys(actions) }),
    },
    {
      detectors: list(string({ oneOf: Object.keys(detectors) }), 1),
      owners: list(string({ pattern: /^[\x21-\x29\x2b-\x7e]{1,255}\*?$/, hint: 'an owner, or the beginning of many and a *' }), 1),
      teams: texts, resources: texts, environments: texts, scopes: texts, tiers: list(string({ oneOf: tiers }), 1),
    },
  ), 1),
});

type Read = NonNullable<ReturnType<typeof shape>>['rules'][number];

/**
 * Reads `response.yaml`: how far the monitor may go by itself. Names are held to the catalog, so that a misspelt one is
 * no rule without effect, and tiers become the scopes they stand for.
 */
export function readResponse(file: string, text: string, catalog: Catalog): { response: readonly ResponseRule[] | undefined; problems: readonly Problem[] } {
  const { value, reading } = readYaml(file, text, shape);
  if (!value) return { response: undefined, problems: reading.problems };
  if (value.rules.length > maxRules) reading.noteAt(`rules/${maxRules}/id`, 'too-many-rules', `at most ${maxRules} rules say how far the monitor goes`);
  const ids = new Set<string>();
  const response = value.rules.map((rule, i) => {
    if (ids.has(rule.id)) reading.noteAt(`rules/${i}/id`, 'duplicate-rule-id', `the id "${rule.id}" is already that of another rule`);
    ids.add(rule.id);
    return ruleOf(rule, `rules/${i}`, catalog, reading);
  });
  if (Buffer.byteLength(JSON.stringify(response)) > maxBytes) reading.noteAt('rules', 'file-too-large', `the rules name more than fits into ${maxBytes} bytes`);
  return { response: reading.problems.length === 0 ? response : undefined, problems: reading.problems };
}

function ruleOf({ tiers: ofTiers, ...rule }: Read, path: string, catalog: Catalog, reading: Reading): ResponseRule {
  const resources = [...catalog.resources.values()];
  const known = {
    teams: [...catalog.teams], resources: [...catalog.resources.keys()], environments: resources.flatMap(({ environments }) => [...environments.keys()]),
    scopes: resources.flatMap(({ scopes }) => [...scopes.keys()]),
  };
  for (const kind of ['teams', 'resources', 'environments', 'scopes'] as const) {
    for (const [i, word] of (rule[kind] ?? []).entries()) {
      if (!known[kind].includes(word)) reading.noteAt(`${path}/${kind}/${i}`, 'bad-value', `the catalog has no "${word}"${didYouMean(word, known[kind])}`);
    }
  }
  if (ofTiers && rule.scopes) reading.noteAt(`${path}/tiers`, 'bad-value', 'a rule names scopes or tiers, not both');
  const scopes = rule.scopes ?? (ofTiers && resources.flatMap((resource) => [...resource.scopes].filter(([, tier]) => ofTiers.includes(tier)).map(([scope]) => scope)));
  if (scopes?.length === 0) reading.noteAt(`${path}/tiers`, 'bad-value', 'the catalog has no scope of these tiers');
  return { ...rule, ...(scopes ? { scopes } : {}) } as ResponseRule;
}
