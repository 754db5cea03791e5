import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { loadPolicySet } from '../src/policy-set.js';
import type { PolicyFiles, PolicySet } from '../src/policy-set.js';
import type { PolicyFacts } from '../src/facts.js';

const folder = new URL('../../../policies/sample/', import.meta.url);

/** The set that ships with the project. */
export const sampleFiles: PolicyFiles = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

export function load(files: PolicyFiles): PolicySet {
  const { set, problems } = loadPolicySet(files);
  if (!set) throw new Error(JSON.stringify(problems, null, 1));
  return set;
}

/** A small set around rules of a test's own. */
export function smallFiles(cedar: string, edits: { catalog?: (text: string) => string; cases?: string } = {}): PolicyFiles {
  const catalog = `
teams: { orders: {}, billing: {} }
groups: { orders: {}, security: {} }
resources:
  orders:
    owner: orders
    environments: { dev: { sensitivity: development }, prod: { sensitivity: production } }
    scopes: { "orders:read": { tier: read }, "orders:export": { tier: read }, "orders:write": { tier: write }, "orders:admin": { tier: admin } }
`;
  const cases = `
cases:
  - name: nothing is known of nobody
    request: { requester: nobody, team: orders, resource: nothing, scopes: ["x"], environment: dev, ttl: P1D }
    expect: { outcome: deny }
`;
  return { 'catalog.yaml': edits.catalog?.(catalog) ?? catalog, 'cases.yaml': edits.cases ?? cases, 'rules.cedar': cedar };
}

export const readInDev = `
@id("read") @reason("reading in development is harmless")
permit (principal, action == Action::"autoApprove", resource)
when { context.sensitivity == "development" && ["read"].containsAll(context.tiers) && context.ttlSeconds <= 3600 };
`;

export const anyone: PolicyFacts = {
  requester: { id: 'svc:a', team: 'orders', openIncidents: 0 },
  submitter: 'svc:a', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttlSeconds: 600,
};

/** Requests that the sample's catalog knows, gathered around the values at which its rules change their minds. */
export const sampleFacts: fc.Arbitrary<PolicyFacts> = fc.record({
  requester: fc.record({
    id: fc.constantFrom('svc:a', 'svc:b', 'alice'),
    team: fc.constantFrom('orders', 'billing', 'platform', 'strangers'),
    openIncidents: fc.constantFrom(0, 0, 0, 1, 7),
    trust: fc.constantFrom('normal' as const, 'normal' as const, 'watched' as const, 'distrusted' as const),
  }),
  submitter: fc.constantFrom('svc:a', 'ci'),
  resource: fc.constantFrom('orders', 'billing'),
  verbs: fc.subarray(['read', 'write', 'admin'], { minLength: 1 }),
  environment: fc.constantFrom('dev', 'prod'),
  ttlSeconds: fc.oneof(fc.constantFrom(1, 604_800, 604_801, 2_592_000, 2_592_001, 31_536_000, 31_536_001), fc.integer({ min: 1, max: 40_000_000 })),
  replacing: fc.constantFrom([false, false], [false, false], [true, false], [true, true]),
}).map(({ verbs, replacing, ...rest }) => ({
  ...rest, scopes: verbs.map((verb) => `${rest.resource}:${verb}`), replaces: replacing[0]!, shrinkOnly: replacing[1]!,
}));

/** Runs of a property: a tenth in the ordinary suite, all of them in a soak. */
export function runs(full: number): number {
  return process.env.WRIT_SOAK === '1' ? full : full / 10;
}
