import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { engineVersion } from './engine-version.js';
import { cedarSchema, questions } from './schema.js';
import type { CedarRequest, Question } from './schema.js';

/** A finding about one rule, or about none in particular; the offset counts bytes of the rule's text. */
export interface EngineFinding {
  readonly rule?: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly byteOffset: number;
}

/** What the engine said to one question. Any error means that `allowed` and `satisfied` prove nothing. */
export interface Answer {
  readonly allowed: boolean;
  /** Ids of the rules that determined the answer, sorted. */
  readonly satisfied: readonly string[];
  /** What went wrong; without a rule the whole evaluation failed. */
  readonly errors: readonly { readonly rule?: string; readonly message: string }[];
}

export interface EngineRule {
  readonly id: string;
  readonly question: Question;
  readonly text: string;
}

/** Rules ready to be asked. A set keeps the same object for as long as it lives; the engine caches by it. */
export interface EngineRules {
  readonly rules: readonly EngineRule[];
}

export interface PolicyEngine {
  /** Name and version; a decision can be replayed bit for bit under the same. */
  readonly version: string;
  /** Why the engine can no longer be trusted; from then on it answers nothing but errors. A new thread has a new one. */
  readonly failure: string | undefined;
  parse(text: string): { readonly json: PolicyJson } | { readonly findings: readonly EngineFinding[] };
  validate(rules: EngineRules): readonly EngineFinding[];
  /** Prepares rules ahead of the first question; {@link decide} does so by itself when it must. */
  load(rules: EngineRules): void;
  decide(rules: EngineRules, question: Question, request: CedarRequest): Answer;
}

/** Injected so that only a satisfied forbid refuses to consider a request. Its id cannot be a user's. */
const considerAll = { id: '#consider-all', text: 'permit(principal, action == Action::"consider", resource);' };
const schemaName = 'writ';
const slots = ['A', 'B'] as const;
type Slot = (typeof slots)[number];

/**
 * Cedar in WebAssembly. Its cache of parsed policies lives as long as the thread and never evicts, so two fixed slots
 * are overwritten in turn: the active set and a draft stay warm, a third one costs a parse, memory stays bounded.
 */
class CedarEngine implements PolicyEngine {
  readonly version = engineVersion;
  private readonly loaded = new Map<Slot, EngineRules>();
  private last: Slot = 'B';
  private hasSchema = false;
  private trap: string | undefined;

  get failure(): string | undefined {
    return this.trap;
  }

  parse(text: string): { json: PolicyJson } | { findings: EngineFinding[] } {
    const answer = this.guard(() => cedar.policyToJson(text));
    return answer.type === 'success' ? { json: answer.json } : { findings: answer.errors.map((error) => finding(error, 'error')) };
  }

  validate({ rules }: EngineRules): EngineFinding[] {
    const answer = this.guard(() => cedar.validate({
      schema: cedarSchema,
      validationSettings: { mode: 'strict' },
      policies: { staticPolicies: Object.fromEntries(rules.map((rule) => [rule.id, rule.text])) },
    }));
    if (answer.type === 'failure') return answer.errors.map((error) => finding(error, 'error'));
    return [
      ...answer.validationErrors.map(({ policyId, error }) => finding(error, 'error', policyId)),
      ...answer.validationWarnings.map(({ policyId, error }) => finding(error, 'warning', policyId)),
      ...answer.otherWarnings.map((error) => finding(error, 'warning')),
    ];
  }

  load(rules: EngineRules): void {
    this.slotOf(rules);
  }

  decide(rules: EngineRules, question: Question, request: CedarRequest): Answer {
    const answer = this.guard(() => cedar.statefulIsAuthorized({
      principal: request.principal,
      action: { type: 'Action', id: question },
      resource: request.resource,
      context: request.context,
      entities: request.entities,
      preparsedSchemaName: schemaName,
      validateRequest: true,
      preparsedPolicySetId: `${this.slotOf(rules)}/${question}`,
    }));
    if (answer.type === 'failure') return { allowed: false, satisfied: [], errors: answer.errors.map(({ message }) => ({ message })) };
    const { decision, diagnostics } = answer.response;
    return {
      allowed: decision === 'allow',
      satisfied: diagnostics.reason.filter((id) => id !== considerAll.id).sort(),
      errors: diagnostics.errors.map(({ policyId, error }) => ({ rule: policyId, message: error.message })).sort((a, b) => (a.rule < b.rule ? -1 : 1)),
    };
  }

  /** A trap inside WebAssembly leaves its stack and its memory in an unknown state: nothing is asked of it again. */
  private guard<T>(call: () => T): T | { type: 'failure'; errors: { message: string }[] } {
    if (this.trap === undefined) {
      try {
        return call();
      } catch (error) {
        this.trap = `the engine failed: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    return { type: 'failure', errors: [{ message: this.trap }] };
  }

  private slotOf(rules: EngineRules): Slot {
    for (const slot of slots) {
      if (this.loaded.get(slot) === rules) return (this.last = slot);
    }
    const slot = this.last === 'A' ? 'B' : 'A';
    this.loaded.delete(slot);
    if (!this.hasSchema) succeed(cedar.preparseSchema(schemaName, cedarSchema));
    this.hasSchema = true;
    for (const question of questions) {
      const asked = rules.rules.filter((rule) => rule.question === question);
      const texts = question === 'consider' ? [...asked, considerAll] : asked;
      succeed(cedar.preparsePolicySet(`${slot}/${question}`, { staticPolicies: Object.fromEntries(texts.map(({ id, text }) => [id, text])) }));
    }
    this.loaded.set(slot, rules);
    return (this.last = slot);
  }
}

function succeed(answer: cedar.CheckParseAnswer): void {
  if (answer.type === 'failure') throw new Error(`the engine refused what it had validated: ${answer.errors.map(({ message }) => message).join('; ')}`);
}

function finding(error: Pick<DetailedError, 'message'> & Partial<DetailedError>, severity: 'error' | 'warning', rule?: string): EngineFinding {
  const label = error.sourceLocations?.[0]?.label;
  return {
    ...(rule === undefined ? {} : { rule }),
    severity,
    message: [error.message.replace(/^for policy `[^`]*`, |^failed to parse [^:]*: /, ''), label, error.help].filter(Boolean).join('; '),
    byteOffset: error.sourceLocations?.[0]?.start ?? 0,
  };
}

/** The engine of this thread. */
export const engine: PolicyEngine = new CedarEngine();
