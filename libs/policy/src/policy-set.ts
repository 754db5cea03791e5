import type { ResponseRule } from '@writ/contracts';
import { digestOf } from '@writ/contracts/canonical';
import { readCases } from './cases.js';
import type { Assertion, GoldenCase } from './cases.js';
import { readCatalog } from './catalog.js';
import type { Catalog } from './catalog.js';
import { engine } from './engine.js';
import type { EngineRules } from './engine.js';
import { Source } from './problem.js';
import type { Problem, ProblemCode } from './problem.js';
import { cedarOffset, readRule, splitRules, strainOf } from './rule.js';
import type { Rule, RuleText } from './rule.js';
import { readResponse } from './response.js';

/** The text of every file of a set by its path. */
export type PolicyFiles = Readonly<Record<string, string>>;

/** A set that was read without a problem. Immutable; its digest is its name. */
export interface PolicySet {
  readonly digest: string;
  readonly files: PolicyFiles;
  readonly catalog: Catalog;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly cases: readonly GoldenCase[];
  readonly assertions: readonly Assertion[];
  readonly engineRules: EngineRules;
  /** How far the monitor may go by itself; absent where the set has no `response.yaml`. */
  readonly response?: readonly ResponseRule[];
}

export interface LoadResult {
  /** `sha256:` and hex over the canonical form of the file map; present for broken sets too. */
  readonly digest: string;
  /** Absent when there is any problem: a warning blocks as an error does. */
  readonly set?: PolicySet;
  readonly problems: readonly Problem[];
}

export const limits = { files: 64, fileBytes: 256 * 1024, setBytes: 1024 * 1024, rules: 500, ruleBytes: 16 * 1024, nesting: 32, operators: 200 } as const;

/**
 * Reads a set strictly: limits, catalog, rules against the schema, annotations, cases. Runs neither the cases nor the
 * analysis; see `checkPolicySet` for all that stands before activation.
 */
export function loadPolicySet(files: PolicyFiles): LoadResult {
  const outer = checkFiles(files);
  if (outer.length > 0) return { digest: outer.some(({ code }) => code === 'not-unicode') ? '' : digestOf(files), problems: outer };
  const digest = digestOf(files);
  const { catalog, problems: catalogProblems } = readCatalog('catalog.yaml', files['catalog.yaml']!);
  if (!catalog) return { digest, problems: catalogProblems };
  const { rules, problems: ruleProblems } = readRules(files, catalog);
  const { cases, assertions, problems: caseProblems } = readCases('cases.yaml', files['cases.yaml']!, catalog, new Set(rules.keys()));
  const { response, problems: responseProblems } = readResponseOf(files, catalog);
  const problems = [...ruleProblems, ...caseProblems, ...responseProblems];
  if (problems.length > 0) return { digest, problems };
  const engineRules = { rules: [...rules.values()] };
  return { digest, problems, set: { digest, files: Object.freeze({ ...files }), catalog, rules, cases, assertions, engineRules, ...(response ? { response } : {}) } };
}

function readResponseOf(files: PolicyFiles, catalog: Catalog): ReturnType<typeof readResponse> {
  const text = files['response.yaml'];
  return text === undefined ? { response: undefined, problems: [] } : readResponse('response.yaml', text, catalog);
}

function checkFiles(files: PolicyFiles): Problem[] {
  const paths = Object.keys(files);
  const problem = (file: string, code: ProblemCode, message: string): Problem => ({ file, line: 1, column: 1, code, message, severity: 'error' });
  if (paths.length > limits.files) return [problem('', 'too-many-files', `${paths.length} files; a set has at most ${limits.files}`)];
  const problems: Problem[] = [];
  let total = 0;
  for (const path of paths) {
    const text = files[path]!;
    if (!path.isWellFormed() || !text.isWellFormed()) return [problem(path, 'not-unicode', 'the file is not well-formed Unicode')];
    if (!/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(path) || path.length > 100) problems.push(problem(path, 'bad-path', 'paths are relative, of letters, digits, dots and hyphens'));
    else if (!path.endsWith('.cedar') && !['catalog.yaml', 'cases.yaml', 'response.yaml'].includes(path)) {
      problems.push(problem(path, 'unexpected-file', 'a set consists of catalog.yaml, cases.yaml, *.cedar and, where it likes, response.yaml'));
    }
    const bytes = Buffer.byteLength(text);
    total += bytes;
    if (bytes > limits.fileBytes) problems.push(problem(path, 'file-too-large', `${bytes} bytes; a file has at most ${limits.fileBytes}`));
  }
  if (total > limits.setBytes) problems.push(problem('', 'set-too-large', `${total} bytes; a set has at most ${limits.setBytes}`));
  for (const path of ['catalog.yaml', 'cases.yaml']) {
    if (!Object.hasOwn(files, path)) problems.push(problem(path, 'missing-file', `a set needs ${path}`));
  }
  if (!paths.some((path) => path.endsWith('.cedar'))) problems.push(problem('', 'missing-file', 'a set needs at least one *.cedar file'));
  return problems;
}

interface Placed {
  readonly source: Source;
  readonly piece: RuleText;
}

function readRules(files: PolicyFiles, catalog: Catalog): { rules: Map<string, Rule>; problems: Problem[] } {
  const rules = new Map<string, Rule>();
  const problems: Problem[] = [];
  const placed = Object.keys(files).filter((path) => path.endsWith('.cedar')).sort()
    .flatMap((path): Placed[] => {
      const source = new Source(path, files[path]!);
      return splitRules(source.text).map((piece) => ({ source, piece }));
    });
  if (placed.length > limits.rules) return { rules, problems: [placed[limits.rules]!.source.problem(placed[limits.rules]!.piece.offset, 'too-many-rules', `a set has at most ${limits.rules} rules`)] };
  for (const { source, piece } of placed) {
    const { rule, problems: found } = parseRule(source, piece, catalog);
    problems.push(...found);
    if (!rule) continue;
    const twin = rules.get(rule.id);
    if (twin) problems.push(source.problem(piece.offset, 'duplicate-rule-id', `the id "${rule.id}" is already that of the rule in ${twin.source.file}`));
    else rules.set(rule.id, rule);
  }
  return { rules, problems: [...problems, ...typeProblems(rules)] };
}

function parseRule(source: Source, piece: RuleText, catalog: Catalog): { rule?: Rule; problems: Problem[] } {
  const refuse = (code: ProblemCode, message: string, offset = piece.offset): { problems: Problem[] } => ({ problems: [source.problem(offset, code, message)] });
  if (Buffer.byteLength(piece.text) > limits.ruleBytes) return refuse('rule-too-large', `a rule has at most ${limits.ruleBytes} bytes`);
  const { nesting, operators } = strainOf(piece.text);
  if (nesting > limits.nesting) return refuse('cedar-too-deep', `nested more than ${limits.nesting} deep`);
  if (operators > limits.operators) return refuse('cedar-too-deep', `${operators} operators; a rule has at most ${limits.operators}: write several rules, or a set instead of a chain`);
  const parsed = engine.parse(piece.text);
  if ('json' in parsed) return readRule(source, piece, parsed.json, catalog);
  if (/\?(?:principal|resource)\b/.test(piece.text)) return refuse('cedar-template', 'templates are not supported: name what is meant');
  return { problems: parsed.findings.map(({ message, byteOffset }) => source.problem(cedarOffset(piece, byteOffset), 'cedar-syntax', message)) };
}

function typeProblems(rules: ReadonlyMap<string, Rule>): Problem[] {
  if (rules.size === 0) return [];
  return engine.validate({ rules: [...rules.values()] }).map(({ rule: id, severity, message, byteOffset }) => {
    const rule = id === undefined ? undefined : rules.get(id);
    const code = severity === 'error' ? 'cedar-type' : 'cedar-warning';
    if (!rule) return { file: '', line: 1, column: 1, code, message, severity };
    return rule.source.problem(cedarOffset(rule, byteOffset), code, message, severity);
  });
}
