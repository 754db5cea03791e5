import { isDeepStrictEqual } from 'node:util';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from './catalog.js';
import { parseDuration } from './duration.js';
import { characterOffset, didYouMean } from './problem.js';
import type { Problem, ProblemCode, Source } from './problem.js';
import { questions } from './schema.js';
import type { Question } from './schema.js';

/** What a satisfied `oblige` rule asks of the token. */
export interface Obligations {
  readonly maxTtlSeconds?: number;
  readonly rotateSeconds?: number;
  readonly graceSeconds?: number;
}

/** A rule as it is cited in a decision. */
export interface RuleRef {
  readonly id: string;
  readonly reason: string;
  readonly ref?: string;
}

/** One Cedar policy with its annotations read and checked. */
export interface Rule extends RuleRef {
  readonly question: Question;
  readonly effect: 'permit' | 'forbid';
  /** Who must look, and for how long the request may wait; of review rules only. */
  readonly review?: { readonly group: string; readonly approvers: number; readonly slaSeconds?: number };
  readonly obligations: Obligations;
  /** How many conditions it names: the more, the more specific. */
  readonly specificity: number;
  readonly text: string;
  readonly json: PolicyJson;
  readonly source: Source;
  readonly offset: number;
}

export interface RuleText {
  readonly text: string;
  readonly offset: number;
}

/**
 * Cuts a Cedar file into its policies. Outside comments and strings a semicolon ends a policy and occurs nowhere else.
 * What follows the last semicolon is a piece of its own, for the parser to refuse.
 */
export function splitRules(text: string): RuleText[] {
  const pieces: RuleText[] = [];
  let start = -1;
  for (const token of text.matchAll(/\/\/[^\n]*|"(?:[^"\\]|\\.)*"|\s+|[^]/g)) {
    const [word] = token;
    if (word.startsWith('//') || /^\s/.test(word)) continue;
    if (start < 0) start = token.index;
    if (word !== ';') continue;
    pieces.push({ text: text.slice(start, token.index + 1), offset: start });
    start = -1;
  }
  if (start >= 0) pieces.push({ text: text.slice(start), offset: start });
  return pieces;
}

/**
 * How deep brackets are piled, and how many operators there are in all. Parser and evaluator recurse over both on a small
 * stack: found by trial, about 120 brackets or 350 operators end in a trap.
 */
export function strainOf(text: string): { nesting: number; operators: number } {
  let depth = 0;
  let nesting = 0;
  let operators = 0;
  for (const [word] of text.matchAll(/\/\/[^\n]*|"(?:[^"\\]|\\.)*"|&&|\|\||\b(?:if|when|unless)\b|[^]/g)) {
    if ('([{'.includes(word)) nesting = Math.max(nesting, ++depth);
    else if (')]}'.includes(word)) depth--;
    if (['&&', '||', '+', '-', '*', '!', '.', '[', 'if', 'when', 'unless'].includes(word)) operators++;
  }
  return { nesting, operators };
}

/** Where an annotation stands in its rule, in characters from the start of the file. */
export function annotationOffset(piece: RuleText, name: string): number {
  const at = new RegExp(`@\\s*${name}\\b`).exec(piece.text)?.index ?? 0;
  return piece.offset + at;
}

export function cedarOffset(piece: RuleText, byteOffset: number): number {
  return piece.offset + characterOffset(piece.text, byteOffset);
}

const known = ['id', 'reason', 'ref', 'approvers', 'group', 'sla', 'max_ttl', 'rotate', 'grace', 'bind'];
const reviewOnly = ['approvers', 'group', 'sla'];
const obligationOnly = ['max_ttl', 'rotate', 'grace', 'bind'];

/** Reads a parsed policy as a rule; undefined and problems when its annotations or its shape are not as they must be. */
export function readRule(source: Source, piece: RuleText, json: PolicyJson, catalog: Catalog): { rule?: Rule; problems: Problem[] } {
  const problems: Problem[] = [];
  const annotations: Annotations = json.annotations ?? {};
  const note: Note = (name, code, message) => {
    problems.push(source.problem(name === undefined ? piece.offset : annotationOffset(piece, name), code, message));
    return undefined;
  };
  const question = questionOf(json);
  if (!question) note(undefined, 'action-not-fixed', `a rule answers exactly one question: write action == Action::"${questions.join('", or "')}"`);
  checkWords(annotations, note);
  const reviews = question === 'autoApprove' && json.effect === 'forbid';
  if (question) checkPlace(question, json.effect, annotations, note);
  const review = reviews ? reviewOf(annotations, catalog, note) : undefined;
  const obligations = defined({
    maxTtlSeconds: durationOf('max_ttl', annotations, note), rotateSeconds: durationOf('rotate', annotations, note), graceSeconds: durationOf('grace', annotations, note),
  });
  if (problems.length > 0 || !question) return { problems };
  const id = annotations.id ?? `${source.file}:${source.problem(piece.offset, 'cedar-syntax', '').line}`;
  return {
    problems,
    rule: {
      id, reason: annotations.reason!, ...(annotations.ref ? { ref: annotations.ref } : {}), question, effect: json.effect,
      ...(review ? { review } : {}), obligations, specificity: conditionsIn(json), text: piece.text, json, source, offset: piece.offset,
    },
  };
}

type Annotations = Readonly<Record<string, string | null>>;
type Note = (name: string | undefined, code: ProblemCode, message: string) => undefined;

function checkWords(annotations: Annotations, note: Note): void {
  for (const name of Object.keys(annotations)) {
    if (!known.includes(name)) note(name, 'unknown-annotation', `@${name} means nothing here${didYouMean(name, known)}`);
  }
  if ('id' in annotations && !/^[a-z][a-z0-9-]{0,99}$/.test(annotations.id ?? '')) note('id', 'bad-rule-id', 'an id is small letters, digits and hyphens');
  if (!annotations.reason?.trim()) note('reason' in annotations ? 'reason' : undefined, 'missing-reason', 'every rule says why with @reason("…"): it is what people will read');
  for (const [name, most] of [['reason', 500], ['ref', 100]] as const) {
    if ((annotations[name]?.length ?? 0) > most) note(name, 'annotation-too-long', `@${name} has at most ${most} characters`);
  }
  // An obligation that no issuer keeps would be a promise broken silently.
  if ('bind' in annotations) note('bind', 'bad-bind', 'tokens cannot be bound to a key or certificate yet, so no rule may oblige it');
}

function checkPlace(question: Question, effect: Rule['effect'], annotations: Annotations, note: Note): void {
  if (question === 'consider' && effect === 'permit') note(undefined, 'wrong-effect', 'every request is considered unless forbidden: a permit says nothing here');
  if (question === 'oblige' && effect === 'forbid') note(undefined, 'wrong-effect', 'obligations are permits: a forbid would silence others');
  const misplaced = [
    ...(question === 'autoApprove' && effect === 'forbid' ? [] : reviewOnly.map((name) => [name, 'a forbid of "autoApprove", which routes to review'] as const)),
    ...(question === 'oblige' ? [] : obligationOnly.map((name) => [name, 'a permit of "oblige"'] as const)),
  ];
  for (const [name, place] of misplaced) {
    if (name in annotations) note(name, 'misplaced-annotation', `@${name} belongs on ${place}`);
  }
  if (question === 'oblige' && !obligationOnly.some((name) => name in annotations)) note(undefined, 'no-obligation', `an obligation says what it obliges: ${obligationOnly.map((name) => `@${name}`).join(', ')}`);
}

function durationOf(name: string, annotations: Annotations, note: Note): number | undefined {
  if (!(name in annotations)) return undefined;
  const text = annotations[name] ?? '';
  return parseDuration(text) ?? note(name, 'bad-duration', `@${name}("${text}") is not a duration of weeks, days, hours, minutes or seconds such as "P1D" or "PT4H"`);
}

function reviewOf(annotations: Annotations, catalog: Catalog, note: Note): Rule['review'] {
  const { approvers, group } = annotations;
  if (approvers === undefined) note(undefined, 'missing-approvers', 'a review rule says how many must agree: @approvers("1") to @approvers("5")');
  else if (/^[+-]?0+$/.test(approvers ?? '')) note('approvers', 'zero-quorum', 'nobody would have to agree: @approvers is "1" to "5"');
  else if (!/^[1-5]$/.test(approvers ?? '')) note('approvers', 'bad-approvers', `@approvers is "1" to "5", not "${approvers ?? ''}"`);
  if (group === undefined) note(undefined, 'missing-group', 'a review rule says who must agree: @group("…")');
  else if (!catalog.groups.has(group ?? '')) note('group', 'unknown-group', `the catalog has no group "${group ?? ''}"${didYouMean(group ?? '', catalog.groups.keys())}`);
  return { group: group ?? '', approvers: Number(approvers), ...defined({ slaSeconds: durationOf('sla', annotations, note) }) };
}

function questionOf(json: PolicyJson): Question | undefined {
  if (json.action.op !== '==') return undefined;
  return questions.find((question) => isDeepStrictEqual(json.action, { op: '==', entity: { type: 'Action', id: question } }));
}

/** Counts comparisons and memberships; what a rule says about its principal and resource counts too. */
function conditionsIn(json: PolicyJson): number {
  const operators = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', 'is', 'like', 'contains', 'containsAll', 'containsAny', '.']);
  const count = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) return 0;
    return Object.entries(value).reduce((sum, [key, child]) => sum + (operators.has(key) ? 1 : 0) + count(child), 0);
  };
  return count(json.conditions) + (json.principal.op === 'All' ? 0 : 1) + (json.resource.op === 'All' ? 0 : 1);
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}
