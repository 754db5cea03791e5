import { stripVTControlCharacters } from 'node:util';

/** Nothing that others wrote may steer the terminal: escapes, line breaks and other controls become spaces. */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** The same for text of several lines, in which line ends, tabs and colours are ours. */
export function harmlessLines(text: string): string {
  return text.split(/(\u001b\[[\d;]*m|[\n\t])/).map((part, i) => (i % 2 === 0 ? harmless(part) : part)).join('');
}

const gap = 2;
/** A column is never made narrower than this, whatever the terminal. */
const narrowest = 12;

/**
 * Lays out rows in columns two spaces apart, without trailing spaces. Where the whole is wider than `width`, the widest
 * columns that may be cut are, with an ellipsis; where that is not enough, each row becomes facts one below the other.
 * @param whole names of columns that are never cut, such as ids, which people copy
 */
export function columns(head: readonly string[], rows: readonly (readonly string[])[], options: { width?: number; whole?: ReadonlySet<string>; dim?: (text: string) => string } = {}): string {
  const all = [head, ...rows];
  const widths = fit(head, head.map((_, i) => Math.max(...all.map((row) => lengthOf(row[i] ?? '')))), options);
  const line = (row: readonly string[]) => row.map((cell, i) => pad(cut(cell, widths[i]!), i === head.length - 1 ? 0 : widths[i]! + gap)).join('').trimEnd();
  const lines = rows.map(line);
  if (options.width !== undefined && [line(head), ...lines].some((each) => lengthOf(each) > options.width!)) {
    return rows.map((row) => named(head.map((name, i) => [name, row[i] ?? ''] as const).filter(([, text]) => text !== ''), { ...options, names: head })).join('\n\n');
  }
  return [(options.dim ?? String)(line(head)), ...lines].join('\n');
}

/**
 * Facts one below the other, names aligned; long ones go on below where they began.
 * @param names what to align for, where others' facts stand beside these
 */
export function named(
  facts: readonly (readonly [name: string, text: string])[],
  { width, names = facts.map(([name]) => name), dim = String }: { width?: number; names?: readonly string[]; dim?: (text: string) => string } = {},
): string {
  const indent = Math.max(0, ...names.map(({ length }) => length)) + gap;
  return facts.map(([name, text]) => {
    const lines = width === undefined ? [text] : wrapped(text, width - indent);
    return `${dim(name.padEnd(indent))}${lines.join(`\n${' '.repeat(indent)}`)}`;
  }).join('\n');
}

function fit(head: readonly string[], widths: number[], { width = Infinity, whole }: { width?: number; whole?: ReadonlySet<string> }): number[] {
  for (;;) {
    const over = widths.reduce((sum, each) => sum + each + gap, -gap) - width;
    if (over <= 0) return widths;
    const most = Math.max(narrowest, ...widths.filter((_, i) => !whole?.has(head[i]!)));
    const widest = widths.findIndex((each, i) => each === most && each > narrowest && !whole?.has(head[i]!));
    if (widest < 0) return widths;
    widths[widest] = widths[widest]! - 1;
  }
}

/** Characters that a terminal shows. */
export function lengthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - lengthOf(text)));
}

function cut(text: string, width: number): string {
  return lengthOf(text) <= width ? text : `${[...stripVTControlCharacters(text)].slice(0, width - 1).join('').trimEnd()}…`;
}

/** Breaks a text into lines of at most `width` characters, at spaces; a longer word stays whole. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && lengthOf(last) + 1 + lengthOf(word) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
