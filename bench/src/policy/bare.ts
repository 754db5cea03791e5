import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { canonicalFacts, cedarRequest, cedarSchema, questions, type CedarRequest, type PolicyFacts, type PolicySet } from '@writ/policy';

/** Prepares a set for the engine itself and nothing else, under a name. */
export function prepare(set: PolicySet, name: string): void {
  cedar.preparseSchema('bare', cedarSchema);
  for (const question of questions) {
    const rules = set.engineRules.rules.filter((rule) => rule.question === question).map(({ id, text }) => [id, text]);
    const all = question === 'consider' ? [...rules, ['#all', 'permit(principal, action == Action::"consider", resource);']] : rules;
    cedar.preparsePolicySet(`bare ${name} ${question}`, { staticPolicies: Object.fromEntries(all) as Record<string, string> });
  }
}

/** Builds what the engine is asked, before the clock starts. */
export function questionsOf(set: PolicySet, facts: readonly PolicyFacts[]): CedarRequest[] {
  return facts.map((each) => cedarRequest(set.catalog, canonicalFacts(each)));
}

/** The three calls that any decision needs, and nothing around them. */
export function ask(name: string, request: CedarRequest): void {
  for (const question of questions) {
    cedar.statefulIsAuthorized({
      principal: request.principal, action: { type: 'Action', id: question }, resource: request.resource, context: request.context, entities: request.entities,
      preparsedSchemaName: 'bare', validateRequest: true, preparsedPolicySetId: `bare ${name} ${question}`,
    });
  }
}
