import Table from 'cli-table3';
import picocolors from 'picocolors';

/** Data goes to stdout, everything said about it to stderr, so that pipes carry data only. */
export class Output {
  readonly colors = picocolors.createColors(picocolors.isColorSupported && !process.env.NO_COLOR && process.stdout.isTTY);

  constructor(readonly json: boolean) {}

  /** Prints an answer: as JSON where asked for, in plain words otherwise. */
  answer(value: unknown, words: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value) : words()}\n`);
  }

  /** Prints rows: one JSON line each, or a table, or a sentence where there are none. */
  rows<Row>(rows: readonly Row[], columns: Record<string, (row: Row) => string>, none: string): void {
    if (this.json) {
      for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    } else if (rows.length === 0) {
      this.say(none);
    } else {
      const table = new Table({ head: Object.keys(columns).map((name) => this.colors.dim(name)), style: { head: [], border: [], compact: true }, chars: plain });
      for (const row of rows) table.push(Object.values(columns).map((column) => column(row)));
      process.stdout.write(`${table.toString()}\n`);
    }
  }

  /** Facts one below the other, names aligned. */
  facts(facts: Record<string, string | undefined>): string {
    const shown = Object.entries(facts).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
    const width = Math.max(...shown.map(([name]) => name.length));
    return shown.map(([name, value]) => `${this.colors.dim(name.padEnd(width))}  ${value}`).join('\n');
  }

  say(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** A line that is overwritten by the next one on a terminal, and shown only there. */
  progress(line: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${line}`);
  }

  progressDone(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  }
}

const plain = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
};

/** `in 3 days`, `2 minutes ago`: for people; JSON carries the exact time. */
export function relative(time: string, now = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}
