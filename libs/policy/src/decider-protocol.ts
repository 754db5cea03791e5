import type { ResponseRule } from '@writ/contracts';
import type { Catalog } from './catalog.js';
import type { CheckResult } from './check.js';
import type { Decision } from './decision.js';
import type { PolicyFacts } from './facts.js';
import type { Loosening } from './loosening.js';
import type { PolicyFiles } from './policy-set.js';
import type { Problem } from './problem.js';
import type { Replay } from './replay.js';
import type { LiveToken, SimulationReport, StoredRequest } from './simulate.js';

/** What the thread can be asked, and its answer to each. */
export interface Exchanges {
  activate: { ask: { files: PolicyFiles }; answer: { digest: string; problems: readonly Problem[]; catalog?: Catalog } };
  decide: { ask: { facts: PolicyFacts; nearest: boolean }; answer: Decision };
  check: { ask: { files: PolicyFiles }; answer: Omit<CheckResult, 'set'> };
  compare: { ask: { active: PolicyFiles; draft: PolicyFiles }; answer: Loosening };
  response: { ask: { files: PolicyFiles }; answer: readonly ResponseRule[] | null };
  replay: { ask: { record: Decision; files: PolicyFiles }; answer: Omit<Replay, 'decision'> };
  'simulate-begin': { ask: { active: PolicyFiles; draft: PolicyFiles }; answer: null };
  'simulate-requests': { ask: { requests: readonly StoredRequest[] }; answer: { done: number } };
  'simulate-tokens': { ask: { tokens: readonly LiveToken[] }; answer: null };
  'simulate-end': { ask: Record<never, never>; answer: SimulationReport };
}
export type ExchangeKind = keyof Exchanges;

export type Ask = { [K in ExchangeKind]: { id: number; kind: K } & Exchanges[K]['ask'] }[ExchangeKind];
export type Answered = { id: number; answer: Exchanges[ExchangeKind]['answer'] } | { id: number; failure: string };
