import Table from 'cli-table3';
import type { Judged } from './quality.js';
import { wilson } from './wilson.js';

export interface Watcher {
  name: string;
  judged: Judged[];
}

const percent = (share: number) => `${Math.round(share * 100)}`;

export function perThousandDays({ judged }: Watcher): { notifications: number; suspensions: number } {
  const sum = (of: (one: Judged) => number) => judged.reduce((total, one) => total + of(one), 0);
  const thousands = sum(({ honestDays }) => honestDays) / 1_000;
  return { notifications: sum(({ notifications }) => notifications) / thousands, suspensions: sum(({ suspensions }) => suspensions) / thousands };
}

export function found({ judged }: Watcher, family: string): { hits: number; stopped: number; trials: number; medianMinutes?: number } {
  const outcomes = judged.flatMap((one) => one.outcomes).filter((outcome) => outcome.family === family);
  const minutes = outcomes.flatMap((outcome) => outcome.minutes ?? []).sort((a, b) => a - b);
  return { hits: outcomes.filter((outcome) => outcome.found).length, stopped: outcomes.filter(({ suspended }) => suspended).length, trials: outcomes.length, medianMinutes: minutes[Math.floor(minutes.length / 2)] };
}

/** Per family what was found, with intervals, beside the simple watchers; below, what it cost the honest. */
export function reportOf(families: Readonly<Record<string, string>>, ours: Watcher, others: readonly Watcher[]): string {
  const table = new Table({ head: ['family', 'kind', 'found %', '95 % interval', 'stopped %', 'after min', ...others.map(({ name }) => `${name} %`)], style: { head: [], border: [], compact: true } });
  for (const family of Object.keys(families)) {
    const { hits, stopped, trials, medianMinutes } = found(ours, family);
    const [low, high] = wilson(hits, trials);
    table.push([
      family, families[family], percent(hits / trials), `${percent(low)}–${percent(high)}`, percent(stopped / trials), medianMinutes ?? '',
      ...others.map((other) => percent(found(other, family).hits / trials)),
    ]);
  }
  for (const what of ['notifications', 'suspensions'] as const) {
    table.push([`${what} per 1,000 honest token-days`, '', perThousandDays(ours)[what].toFixed(1), '', '', '', ...others.map((other) => perThousandDays(other)[what].toFixed(1))]);
  }
  return table.toString();
}

/** False words by who said what of whom: what to look at first. */
export function falseWords({ judged }: Watcher): string {
  const sums = new Map<string, number>();
  for (const { falseBy } of judged) for (const [name, count] of falseBy) sums.set(name, (sums.get(name) ?? 0) + count);
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, 25).map(([name, count]) => `${String(count).padStart(5)} ${name}`).join('\n');
}
