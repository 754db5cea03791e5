import type { DecisionCode, Outcome } from './decision.js';
import type { Answer } from './engine.js';
import type { Question } from './schema.js';
import type { Obligations, Rule } from './rule.js';

/** What three answers amount to. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly code: DecisionCode;
  readonly because: readonly Rule[];
  readonly require?: Readonly<Record<string, number>>;
  readonly slaSeconds?: number;
  readonly obligations: Obligations;
  readonly obligedBy: readonly Rule[];
}

/**
 * Combines the answers to the three questions. A satisfied forbid of `consider` denies. Any error, anywhere, means that
 * a human looks: a rule that failed counts as satisfied, and an evaluation that failed as a whole counts as every rule of
 * its question, so that nobody reviews less because something broke. Otherwise satisfied review rules hold, each
 * group at its largest quorum; no permit holds for the owners; a permit approves.
 */
export function combine(rules: ReadonlyMap<string, Rule>, owner: string, answers: Readonly<Record<Question, Answer>>): Verdict {
  const { consider, autoApprove, oblige } = answers;
  const errors = [consider, autoApprove, oblige].flatMap((answer) => answer.errors);
  const denials = chosen(rules, 'consider', 'forbid', consider.satisfied);
  if (denials.length > 0) return { outcome: 'deny', code: 'forbidden', because: denials, obligations: {}, obligedBy: [] };

  const obligedBy = chosen(rules, 'oblige', 'permit', withFailed(rules, 'oblige', oblige));
  const obligations = strictest(obligedBy);
  const reviews = chosen(rules, 'autoApprove', 'forbid', withFailed(rules, 'autoApprove', autoApprove));
  const broken = errors.length > 0 || !consider.allowed;
  const permits = chosen(rules, 'autoApprove', 'permit', autoApprove.satisfied);
  if (broken || reviews.length > 0 || !autoApprove.allowed || permits.length === 0) {
    const require = quorums(reviews);
    if (Object.keys(require).length === 0) require[owner] = 1;
    const code = broken ? 'evaluation-error' : reviews.length > 0 ? 'review-required' : 'no-auto-rule';
    return { outcome: 'hold', code, because: reviews, require, ...sla(reviews), obligations, obligedBy };
  }
  return { outcome: 'approve', code: 'auto-approved', because: permits, obligations, obligedBy };
}

function withFailed(rules: ReadonlyMap<string, Rule>, question: Question, answer: Answer): readonly string[] {
  if (answer.errors.some(({ rule }) => rule === undefined)) {
    return [...rules.values()].filter((rule) => rule.question === question).map(({ id }) => id);
  }
  return [...answer.satisfied, ...answer.errors.map(({ rule }) => rule!)];
}

function chosen(rules: ReadonlyMap<string, Rule>, question: Question, effect: Rule['effect'], ids: readonly string[]): Rule[] {
  return [...new Set(ids)]
    .map((id) => rules.get(id))
    .filter((rule): rule is Rule => rule?.question === question && rule.effect === effect)
    .sort((a, b) => b.specificity - a.specificity || (a.id < b.id ? -1 : 1));
}

function quorums(reviews: readonly Rule[]): Record<string, number> {
  const require: Record<string, number> = {};
  for (const { review } of reviews) {
    if (review) require[review.group] = Math.max(require[review.group] ?? 0, review.approvers);
  }
  return require;
}

function sla(reviews: readonly Rule[]): { slaSeconds?: number } {
  const slaSeconds = least(reviews.map(({ review }) => review?.slaSeconds));
  return slaSeconds === undefined ? {} : { slaSeconds };
}

function strictest(rules: readonly Rule[]): Obligations {
  const obligations: { -readonly [K in keyof Obligations]: Obligations[K] } = {};
  for (const name of ['maxTtlSeconds', 'rotateSeconds', 'graceSeconds'] as const) {
    const value = least(rules.map((rule) => rule.obligations[name]));
    if (value !== undefined) obligations[name] = value;
  }
  return obligations;
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const numbers = values.filter((value) => value !== undefined);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
