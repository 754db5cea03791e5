import type { Pattern } from './witnesses.js';
import type { Rule } from './rule.js';

/** One fact a rule can look at, such as `context.ttlSeconds`; a variable alone stands for its identity. */
export type Path = string;

/** What the rules look at and compare with: where their minds could change. */
export interface Mentions {
  /** By rule id: the facts it depends on. */
  readonly paths: ReadonlyMap<string, ReadonlySet<Path>>;
  readonly integers: ReadonlyMap<Path, ReadonlySet<number>>;
  readonly texts: ReadonlyMap<Path, readonly Pattern[]>;
  readonly entities: readonly EntityId[];
  /** By rule id: why its boundaries can not be read off its text. */
  readonly opaque: ReadonlyMap<string, string>;
}

interface EntityId {
  readonly type: string;
  readonly id: string;
}
/** What an operator works on, as far as it is looked at here by name. */
interface Operands {
  readonly left?: object;
  readonly right?: object;
  readonly pattern?: readonly ('Wildcard' | { Literal: string })[];
}
interface Literals {
  readonly integers: number[];
  readonly texts: Pattern[];
}

const ordered = ['<', '<=', '>', '>='];
const relations = [...ordered, '==', '!=', 'in', 'contains', 'containsAll', 'containsAny'];
const arithmetic = ['+', '-', '*', 'neg'];
const truths = ['&&', '||', '!', 'if-then-else', 'isEmpty'];
const identities = ['principal', 'resource', 'principal.team', 'resource.owner'];
const names = ['principal.id', 'context.submitter'];

/** Reads the parsed rules for every fact, number, text and entity they mention. */
export function mentionsOf(rules: Iterable<Rule>): Mentions {
  const paths = new Map<string, Set<Path>>();
  const opaque = new Map<string, string>();
  const integers = new Map<Path, Set<number>>();
  const texts = new Map<Path, Pattern[]>();
  const entities: EntityId[] = [];
  for (const rule of rules) {
    const reader = new RuleReader(entities, (path, literals) => {
      for (const number of literals.integers) (integers.get(path) ?? integers.set(path, new Set()).get(path)!).add(number);
      (texts.get(path) ?? texts.set(path, []).get(path)!).push(...literals.texts);
    });
    reader.read(rule);
    paths.set(rule.id, reader.paths);
    if (reader.opaque !== undefined) opaque.set(rule.id, reader.opaque);
  }
  // Where no rule names a requester, who it is matters only by its team.
  if (!entities.some(({ type }) => type === 'Requester')) {
    for (const its of paths.values()) if (its.delete('principal')) its.add('principal.team');
  }
  return { paths, integers, texts, entities, opaque };
}

class RuleReader {
  readonly paths = new Set<Path>();
  opaque: string | undefined;

  constructor(private readonly entities: EntityId[], private readonly compare: (path: Path, literals: Literals) => void) {}

  read({ json }: Rule): void {
    for (const side of ['principal', 'resource'] as const) {
      if (json[side].op === 'All') continue;
      this.paths.add(side);
      this.collectEntities(json[side]);
    }
    for (const { body } of json.conditions) this.walk(body);
  }

  private walk(node: unknown): void {
    if (typeof node !== 'object' || node === null) return;
    const path = pathOf(node);
    if (path !== undefined) return void this.paths.add(path);
    const [operator, operands] = Object.entries(node)[0] as [string, Operands];
    // The schema requires every attribute, so what `has` asks is no fact.
    if (operator === 'has' && pathOf(operands.left!) !== undefined) return;
    if (operator === 'Value') return this.collectEntities(operands);
    if (operator === 'like') {
      this.relate(operator, [operands.left], { integers: [], texts: [patternOf(operands.pattern!)] });
      return this.walk(operands.left);
    }
    if (relations.includes(operator)) this.relate(operator, [operands.left, operands.right], literalsIn(operands));
    else if (arithmetic.includes(operator) && factsIn(operands).length > 0) this.opaque = 'it computes with facts: compare each fact with a plain number';
    else if (![...arithmetic, ...truths, 'Set', 'Record', 'has', 'is'].includes(operator)) this.opaque = `it uses "${operator}"`;
    for (const operand of Object.values(operands)) this.walk(operand);
  }

  /** Facts compared with facts have no boundary in the text; only identities and names can be tried out all the same. */
  private relate(operator: string, sides: unknown[], literals: Literals): void {
    const facts = sides.map(factsIn);
    const all = facts.flat();
    const tried = !ordered.includes(operator) && [identities, names].some((kind) => all.every((path) => kind.includes(path)));
    if (facts.filter((side) => side.length > 0).length > 1 && !tried) this.opaque = `it compares ${all.join(' with ')}: compare each with a plain value`;
    if (all.includes('context')) this.opaque = 'it compares the whole context: name the fact that matters';
    for (const path of all) this.compare(path, literals);
  }

  private collectEntities(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if ('type' in value && 'id' in value) this.entities.push(value as EntityId);
    else if ('__extn' in value) this.opaque = 'it uses an extension';
    else Object.values(value).forEach((child) => this.collectEntities(child));
  }
}

function factsIn(node: unknown): Path[] {
  if (typeof node !== 'object' || node === null) return [];
  const path = pathOf(node);
  return path === undefined ? [...new Set(Object.values(node).flatMap(factsIn))] : [path];
}

function literalsIn(node: unknown): Literals {
  if (typeof node === 'number') return { integers: [node], texts: [] };
  if (typeof node === 'string') return { integers: [], texts: [[node]] };
  if (typeof node !== 'object' || node === null || pathOf(node) !== undefined || '__entity' in node) return { integers: [], texts: [] };
  const parts = Object.values(node).map(literalsIn);
  return { integers: parts.flatMap(({ integers }) => integers), texts: parts.flatMap(({ texts }) => texts) };
}

/** `context.x`, `principal.team`, or a variable alone; of a longer path the first two names. */
function pathOf(node: object): Path | undefined {
  if ('Var' in node) return String(node.Var);
  if (!('.' in node)) return undefined;
  const { left, attr } = node['.'] as { left: object; attr: string };
  const base = pathOf(left);
  return base === undefined || base.includes('.') ? base : `${base}.${attr}`;
}

function patternOf(pieces: readonly ('Wildcard' | { Literal: string })[]): Pattern {
  return pieces.map((piece) => (piece === 'Wildcard' ? null : piece.Literal));
}
