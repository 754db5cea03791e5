import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import { columns, harmless, harmlessLines, named } from './columns.js';

/** An outcome at a glance; the word carries the meaning, the colour only helps. */
export type Tone = 'good' | 'bad' | 'mild';
const paints = { good: 'green', bad: 'red', mild: 'yellow' } as const;
export interface Painted { text: string; tone: Tone }
export const painted = (tone: Tone, text: string): Painted => ({ tone, text });
type Cell = string | Painted;

const redrawMs = 80;

/** Data goes to stdout, everything said about it to stderr, so that pipes carry data only. */
export class Output {
  private readonly colors = picocolors.createColors(picocolors.isColorSupported && !process.env.NO_COLOR && process.stdout.isTTY);
  private redrawnAt = 0;

  constructor(readonly json: boolean) {}

  /** Prints an answer: as JSON where asked for, in plain words otherwise. */
  answer(value: unknown, words: () => string): void {
    this.print(this.json ? JSON.stringify(value) : harmlessLines(words()));
  }

  /** Prints rows: one JSON line each, or a table, or a sentence where there are none. Ids (`tok_…`) and times are never cut. */
  rows<Row>(rows: readonly Row[], cells: Record<string, (row: Row) => Cell>, none: string): void {
    if (this.json) {
      for (const row of rows) this.print(JSON.stringify(row));
    } else if (rows.length === 0) {
      this.say(none);
    } else {
      const head = Object.keys(cells);
      const texts = rows.map((row) => Object.values(cells).map((cell) => this.shown(cell(row))));
      const whole = new Set(head.filter((_, i) => texts.some((row) => neverCut.test(stripVTControlCharacters(row[i]!)))));
      this.print(columns(head, texts, { width: this.width, whole, dim: (text) => this.colors.dim(text) }));
    }
  }

  /** Facts one below the other, names aligned; long ones go on below where they began. */
  facts(facts: Record<string, Cell | undefined>): string {
    const shown = Object.entries(facts).filter((entry): entry is [string, Cell] => entry[1] !== undefined && (typeof entry[1] === 'string' ? entry[1] : entry[1].text) !== '');
    return named(shown.map(([name, value]) => [name, this.shown(value)] as const), { width: this.width, dim: (text) => this.colors.dim(text) });
  }

  dim(text: string): string {
    return this.colors.dim(text);
  }

  say(line: string): void {
    process.stderr.write(`${harmlessLines(line)}\n`);
  }

  /** A line that is overwritten by the next one on a terminal, and shown only there. */
  progress(line: string): void {
    if (!process.stderr.isTTY || Date.now() - this.redrawnAt < redrawMs) return;
    this.redrawnAt = Date.now();
    process.stderr.write(`\r\u001b[2K${harmless(line)}`);
  }

  /** Shows how much of a known whole is done. */
  share(done: number, total: number, what: string): void {
    this.progress(`${bar(done / Math.max(1, total))} ${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${what}`);
  }

  progressDone(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  }

  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Columns of the terminal; undefined in a pipe, where nothing is cut or wrapped. */
  private get width(): number | undefined {
    return process.stdout.isTTY ? Math.max(60, process.stdout.columns) : undefined;
  }

  private shown(cell: Cell): string {
    return typeof cell === 'string' ? harmless(cell) : this.colors[paints[cell.tone]](harmless(cell.text));
  }
}

const neverCut = /^(?:[a-z]{3}_[0-9a-z]{20}|sha256:|\d{4}-\d\d-\d\dT)/;

function bar(share: number): string {
  const width = 24;
  const full = Math.round(Math.min(1, share) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}

/** `in 3 days`, `2 minutes ago`: for people; JSON carries the exact time. */
export function relative(time: string, now = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/** Items of a paged list, as far as they are wanted. */
export async function firstOf<Item>(items: AsyncIterable<Item>, limit: number): Promise<Item[]> {
  const taken: Item[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= limit) break;
  }
  return taken;
}
