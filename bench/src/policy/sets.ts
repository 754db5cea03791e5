import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPolicySet, type PolicyFacts, type PolicyFiles, type PolicySet } from '@writ/policy';

const folder = join(process.cwd(), 'policies/sample');
const wantedRules = 50;

/** The sample set, filled up to fifty rules with ones of the kinds that companies write. */
export function fiftyRules(): PolicyFiles {
  const files = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const missing = wantedRules - loaded(files).rules.size;
  const more = Array.from({ length: missing }, (_, i) => (i % 2 === 0
    ? `@id("dev-read-${i}") @reason("rule ${i}") permit (principal, action == Action::"autoApprove", resource) when { context.sensitivity == "development" } when { ["read"].containsAll(context.tiers) } when { context.ttlSeconds <= ${3_600 + i} };`
    : `@id("long-write-${i}") @reason("rule ${i}") @approvers("1") @group("security") forbid (principal, action == Action::"autoApprove", resource) when { context.tiers.containsAny(["write", "admin"]) } when { context.ttlSeconds > ${1_000_000 + i} };`));
  return { ...files, 'more.cedar': more.join('\n') };
}

/** The same set with another limit, as a draft. */
export function draftOf(files: PolicyFiles): PolicyFiles {
  return { ...files, 'approve.cedar': (files['approve.cedar'] ?? '').replace('2592000', '1209600') };
}

export function loaded(files: PolicyFiles): PolicySet {
  const { set, problems } = loadPolicySet(files);
  if (!set) throw new Error(`The policy set of the measurement does not load: ${problems[0]?.message}`);
  return set;
}

const scopes = [['orders:read'], ['orders:write'], ['orders:read', 'orders:write'], ['orders:admin']];

/** Requests of which no two are equal, so that every one is decided: half approved, the rest held or denied. */
export function requests(count: number, from = 0): PolicyFacts[] {
  return Array.from({ length: count }, (_, i) => ({
    requester: { id: `svc:job-${(i + from) % 500}`, team: i % 3 === 0 ? 'billing' : 'orders', openIncidents: i % 50 === 0 ? 1 : 0 },
    submitter: 'ci', resource: 'orders', scopes: i % 2 === 0 ? ['orders:read'] : (scopes[i % 4] ?? []), environment: i % 4 === 3 ? 'prod' : 'dev', ttlSeconds: 600 + i + from,
  }));
}
