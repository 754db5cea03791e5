/** What is wrong with a policy set, each with an anchor of the same name in the documentation. */
export const problemCodes = [
  // the set as a whole
  'missing-file', 'unexpected-file', 'bad-path', 'too-many-files', 'file-too-large', 'set-too-large', 'not-unicode',
  // YAML
  'yaml-syntax', 'yaml-duplicate-key', 'yaml-alias', 'yaml-tag', 'yaml-too-deep', 'yaml-many-documents',
  'wrong-type', 'unknown-key', 'missing-key', 'bad-value', 'duplicate-value', 'empty-list',
  // catalog
  'unknown-team', 'unknown-group', 'empty-group', 'duplicate-scope',
  // rules
  'cedar-syntax', 'cedar-template', 'cedar-too-deep', 'rule-too-large', 'too-many-rules', 'cedar-type', 'cedar-warning',
  'duplicate-rule-id', 'bad-rule-id', 'action-not-fixed', 'wrong-effect', 'unknown-annotation', 'misplaced-annotation',
  'missing-reason', 'missing-approvers', 'missing-group', 'zero-quorum', 'bad-approvers', 'bad-duration', 'bad-bind', 'no-obligation', 'annotation-too-long',
  // cases
  'no-cases', 'duplicate-case', 'unknown-rule', 'case-failed',
  // analysis
  'unreachable-rule', 'shadowed-deny', 'quorum-unreachable', 'group-needs-requester', 'assertion-failed', 'not-analysable', 'analysis-too-large', 'evaluation-error',
] as const;
export type ProblemCode = (typeof problemCodes)[number];

/** One finding. `line` and `column` count from 1, in characters (code points) of the user's own file. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly code: ProblemCode;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** A text in which places can be named. Offsets are UTF-16 code units. */
export class Source {
  private readonly starts: number[] = [0];

  constructor(readonly file: string, readonly text: string) {
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.starts.push(i + 1);
  }

  problem(offset: number, code: ProblemCode, message: string, severity: Problem['severity'] = 'error'): Problem {
    const at = Math.min(Math.max(offset, 0), this.text.length);
    let line = this.starts.findLastIndex((start) => start <= at);
    if (line < 0) line = 0;
    const column = [...this.text.slice(this.starts[line], at)].length + 1;
    return { file: this.file, line: line + 1, column, code, message, severity };
  }
}

/** Turns a byte offset of UTF-8 text, which is what Cedar reports, into an offset of characters in the string. */
export function characterOffset(text: string, byteOffset: number): number {
  return Buffer.from(text).subarray(0, byteOffset).toString().length;
}

/** Shows a problem as compilers do: place, what is wrong, the line, and a caret under the column. */
export function renderProblem(problem: Problem, files: Readonly<Record<string, string>>): string {
  const head = `${problem.file}:${problem.line}:${problem.column} ${problem.severity} ${problem.code}: ${problem.message}`;
  const line = files[problem.file]?.split('\n')[problem.line - 1]?.replace(/\r$/, '');
  if (line === undefined) return head;
  // Tabs are kept in the padding so that the caret stays under its character whatever the width of a tab.
  const padding = [...line].slice(0, problem.column - 1).map((character) => (character === '\t' ? '\t' : ' ')).join('');
  return `${head}\n  ${line}\n  ${padding}^`;
}

/** Appends the nearest known word, when one is near enough to have been meant. */
export function didYouMean(word: string, known: Iterable<string>): string {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word, candidate, bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === undefined ? '' : `; did you mean "${best}"?`;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > 200) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
