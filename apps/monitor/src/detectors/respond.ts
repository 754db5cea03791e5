import type { MisuseAction, ResponseRule } from '@writ/contracts';
import { weight, type Finding, type Limits } from './detect.js';
import type { KnownToken } from '../usage/token.store.js';

/** Detectors whose word is as good as proof: they may stop a token where no policy says how far the monitor goes. */
const proof: ReadonlySet<string> = new Set(['honeytoken-source']);

/** How far a detector may go where no rule of the policy set applies. */
export function otherwise(detector: string): MisuseAction {
  return proof.has(detector) ? 'suspend' : 'notify';
}

/** How far detectors may go: what the policy set says, and what an administrator holds back. */
export interface Bounds {
  rules: readonly ResponseRule[];
  limits: Limits;
}

export interface Permission {
  most: MisuseAction;
  /** The rule that says so; absent where none applies. */
  rule?: ResponseRule;
}

/** What the policy set lets a detector do about a token: the strictest rule that applies. A token that is not known yet is taken for one that every rule is about. */
export function permission(rules: readonly ResponseRule[], detector: string, token: KnownToken | undefined): Permission {
  const [strictest] = rules.filter((rule) => applies(rule, detector, token)).sort((a, b) => weight[a.most] - weight[b.most]);
  return strictest ? { most: strictest.most, rule: strictest } : { most: otherwise(detector) };
}

function applies({ detectors, owners, teams, resources, environments, scopes }: ResponseRule, detector: string, token: KnownToken | undefined): boolean {
  if (detectors && !detectors.includes(detector)) return false;
  if (!token) return true;
  const among = (list: readonly string[] | undefined, value: string) => list?.includes(value) ?? true;
  const owned = owners?.some((owner) => (owner.endsWith('*') ? token.owner_id.startsWith(owner.slice(0, -1)) : owner === token.owner_id)) ?? true;
  return owned && among(teams, token.team) && among(resources, token.resource) && among(environments, token.environment)
    && (scopes?.some((scope) => token.scopes.includes(scope)) ?? true);
}

/**
 * The findings as far as policy set and kill switches let them go, strongest first; what was held back says by whom. A
 * detector asks for a stop; where the rules let it revoke, it is one for good.
 */
export function permitted(findings: readonly Finding[], { rules, limits }: Bounds, token: KnownToken | undefined): Finding[] {
  return findings.flatMap((finding) => {
    const { most, rule } = permission(rules, finding.detector, token);
    const wanted: MisuseAction = finding.action === 'suspend' && most === 'revoke' ? 'revoke' : finding.action;
    const byPolicy = hold(finding, wanted, most, rule ? `rule ${rule.id} of the policy set allows no more than ${most}` : `no rule of the policy set allows more than ${most}`);
    const limit = limits.get(finding.detector);
    if (limit === 'off') return [];
    return [limit === undefined ? byPolicy : hold(byPolicy, byPolicy.action, limit, `an administrator holds this detector at ${limit}`)];
  }).sort((a, b) => weight[b.action] - weight[a.action]);
}

function hold(finding: Finding, wanted: MisuseAction, most: MisuseAction, why: string): Finding {
  if (weight[wanted] <= weight[most]) return wanted === finding.action ? finding : { ...finding, action: wanted };
  if (weight[wanted] < weight.suspend) return { ...finding, action: most };
  return { ...finding, action: most, explanation: `${finding.explanation} ${weight[most] < weight.suspend ? 'Not stopped' : 'Not ended for good'}: ${why}.` };
}
