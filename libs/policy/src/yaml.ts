import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { didYouMean, Source } from './problem.js';
import type { Problem, ProblemCode } from './problem.js';

const maxDepth = 16;

/** Reads one shape out of a YAML node; undefined when the node is not of that shape, and then a problem was noted. */
export type Shape<T> = (node: Node | null, reading: Reading, path: string) => T | undefined;

/** One YAML file being read: what was wrong so far, and where each value stood, so that later checks can point at it. */
export class Reading {
  readonly problems: Problem[] = [];
  private readonly offsets = new Map<string, number>();

  constructor(readonly source: Source) {}

  at(path: string, offset: number): void {
    this.offsets.set(path, offset);
  }

  note(node: Node | null, path: string, code: ProblemCode, message: string): undefined {
    this.problems.push(this.source.problem(node?.range?.[0] ?? this.offsets.get(path) ?? 0, code, message));
    return undefined;
  }

  /** Notes a problem at the value under a path such as `resources/orders/owner`. */
  noteAt(path: string, code: ProblemCode, message: string): void {
    this.problems.push(this.source.problem(this.offsets.get(path) ?? 0, code, message));
  }

  /** Where the value under a path stands. */
  placeOf(path: string): Pick<Problem, 'file' | 'line' | 'column'> {
    const { file, line, column } = this.source.problem(this.offsets.get(path) ?? 0, 'bad-value', '');
    return { file, line, column };
  }
}

/**
 * Reads a file strictly: one document, no duplicate keys, no tags, no aliases (so neither cycles nor expansion can
 * exist), bounded depth. The value is undefined when any problem was found.
 */
export function readYaml<T>(file: string, text: string, shape: Shape<T>): { value: T | undefined; reading: Reading } {
  const reading = new Reading(new Source(file, text));
  const root = parse(text, reading);
  const value = root === undefined ? undefined : shape(root, reading, '');
  return { value: reading.problems.length > 0 ? undefined : value, reading };
}

function parse(text: string, reading: Reading): Node | null | undefined {
  try {
    return parseStrictly(text, reading);
  } catch (error) {
    // The composer recurses; a pile of brackets exhausts the stack before the depth can be counted.
    if (error instanceof RangeError) return reading.note(null, '', 'yaml-too-deep', `nested more than ${maxDepth} deep`);
    throw error;
  }
}

function parseStrictly(text: string, reading: Reading): Node | null | undefined {
  const documents = parseAllDocuments(text, { version: '1.2', schema: 'core', uniqueKeys: true, strict: true, merge: false, prettyErrors: false });
  if (!Array.isArray(documents) || documents.length === 0) return reading.note(null, '', 'yaml-syntax', 'the file is empty');
  const [document, second] = documents as Document.Parsed[];
  if (second) return reading.note(second.contents, '', 'yaml-many-documents', 'one file holds one document');
  for (const error of [...document!.errors, ...document!.warnings]) {
    const code = error.code === 'DUPLICATE_KEY' ? 'yaml-duplicate-key' : error.code === 'TAG_RESOLVE_FAILED' ? 'yaml-tag' : 'yaml-syntax';
    reading.problems.push(reading.source.problem(error.pos[0], code, error.message));
  }
  refuseIndirection(document!, reading);
  return reading.problems.length > 0 ? undefined : document!.contents;
}

function refuseIndirection(document: Document.Parsed, reading: Reading): void {
  visit(document, {
    Node: (_key, node, path) => {
      if (path.length > maxDepth * 2) {
        reading.note(node, '', 'yaml-too-deep', `nested more than ${maxDepth} deep`);
        return visit.BREAK;
      }
      if (isAlias(node)) reading.note(node, '', 'yaml-alias', `aliases are not allowed: write out what *${node.source} stands for`);
      else if (node.tag !== undefined) reading.note(node, '', 'yaml-tag', `the tag ${node.tag} is not allowed`);
      return undefined;
    },
  });
}

export function string(options: { pattern?: RegExp; hint?: string; oneOf?: readonly string[] } = {}): Shape<string> {
  return (node, reading, path) => {
    if (!isScalar(node) || typeof node.value !== 'string') return reading.note(node, path, 'wrong-type', 'a text is expected here');
    reading.at(path, node.range?.[0] ?? 0);
    if (options.oneOf && !options.oneOf.includes(node.value)) {
      return reading.note(node, path, 'bad-value', `"${node.value}" is none of ${options.oneOf.join(', ')}${didYouMean(node.value, options.oneOf)}`);
    }
    if (options.pattern && !options.pattern.test(node.value)) {
      return reading.note(node, path, 'bad-value', `"${node.value}" is not ${options.hint ?? `of the form ${options.pattern.source}`}`);
    }
    return node.value;
  };
}

export function integer(min: number, max: number): Shape<number> {
  return (node, reading, path) => {
    if (!isScalar(node) || typeof node.value !== 'number') return reading.note(node, path, 'wrong-type', 'a whole number is expected here');
    reading.at(path, node.range?.[0] ?? 0);
    if (!Number.isInteger(node.value) || node.value < min || node.value > max) {
      return reading.note(node, path, 'bad-value', `${node.value} is not a whole number from ${min} to ${max}`);
    }
    return node.value;
  };
}

export const boolean: Shape<boolean> = (node, reading, path) => {
  if (!isScalar(node) || typeof node.value !== 'boolean') return reading.note(node, path, 'wrong-type', 'true or false is expected here');
  reading.at(path, node.range?.[0] ?? 0);
  return node.value;
};

/** A list without repeated values, of at least `min` items. */
export function list<T>(item: Shape<T>, min = 0): Shape<T[]> {
  return (node, reading, path) => {
    if (!isSeq(node)) return reading.note(node, path, 'wrong-type', 'a list is expected here');
    reading.at(path, node.range?.[0] ?? 0);
    if (node.items.length < min) return reading.note(node, path, 'empty-list', `at least ${min} expected here`);
    const values: T[] = [];
    node.items.forEach((child, i) => {
      const value = item(child as Node | null, reading, join(path, String(i)));
      if (value === undefined) return;
      if (typeof value !== 'object' && values.includes(value)) reading.note(child as Node, path, 'duplicate-value', `"${String(value)}" is listed twice`);
      values.push(value);
    });
    return values;
  };
}

/** A map whose keys the user chooses. */
export function record<T>(key: { pattern: RegExp; hint: string }, item: Shape<T>, min = 0): Shape<Record<string, T>> {
  return (node, reading, path) => {
    if (!isMap(node)) return reading.note(node, path, 'wrong-type', 'a map is expected here');
    reading.at(path, node.range?.[0] ?? 0);
    if (node.items.length < min) return reading.note(node, path, 'empty-list', `at least ${min} expected here`);
    const values: [string, T][] = [];
    for (const pair of node.items) {
      const name = keyOf(pair, reading, path);
      if (name === undefined) continue;
      if (!key.pattern.test(name)) {
        reading.note(pair.key as Node, path, 'bad-value', `"${name}" is not ${key.hint}`);
        continue;
      }
      reading.at(`${join(path, name)}#`, (pair.key as Node).range?.[0] ?? 0);
      const value = item(pair.value as Node | null, reading, join(path, name));
      if (value !== undefined) values.push([name, value]);
    }
    // Defines, where assigning would call the setter of a key named __proto__.
    return Object.fromEntries(values);
  };
}

type Fields = Record<string, Shape<unknown>>;
type Read<R extends Fields, O extends Fields> = { [K in keyof R]: R[K] extends Shape<infer T> ? T : never } & {
  [K in keyof O]?: O[K] extends Shape<infer T> ? T : never;
};

/** A map of exactly these keys. */
export function object<R extends Fields, O extends Fields = Record<never, never>>(required: R, optional: O = {} as O): Shape<Read<R, O>> {
  const shapes: Fields = { ...required, ...optional };
  return (node, reading, path) => {
    if (!isMap(node)) return reading.note(node, path, 'wrong-type', `a map of ${Object.keys(shapes).join(', ')} is expected here`);
    reading.at(path, node.range?.[0] ?? 0);
    const values: Record<string, unknown> = {};
    for (const pair of node.items) {
      const name = keyOf(pair, reading, path);
      if (name === undefined) continue;
      const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
      if (!shape) {
        reading.note(pair.key as Node, path, 'unknown-key', `"${name}" is not known here${didYouMean(name, Object.keys(shapes))}`);
        continue;
      }
      reading.at(join(path, name), (pair.key as Node).range?.[0] ?? 0);
      values[name] = shape(pair.value as Node | null, reading, join(path, name));
    }
    for (const name of Object.keys(required)) {
      if (!node.items.some((pair) => isScalar(pair.key) && pair.key.value === name)) reading.note(node, path, 'missing-key', `"${name}" is missing`);
    }
    return values as Read<R, O>;
  };
}

function keyOf(pair: Pair, reading: Reading, path: string): string | undefined {
  if (isScalar(pair.key) && typeof pair.key.value === 'string') return pair.key.value;
  return reading.note(pair.key as Node | null, path, 'wrong-type', 'a key is a text');
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`;
}
