import Table from 'cli-table3';
import type { Row } from './row.js';

const number = (value: number | undefined, digits = 0) =>
  value === undefined || Number.isNaN(value) ? '' : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The rows as a table, ratios first: machines differ, ratios less so. */
export function tableOf(rows: readonly Row[]): string {
  const table = new Table({
    head: ['', 'name', 'of limit', 'per second', 'p50 ms', 'p99 ms', 'CPU µs/op', 'RSS MB', ''],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push([
      row.kind, row.name, row.ratioToLimit === undefined ? '' : row.ratioToLimit.toFixed(2), number(row.perSecond, row.perSecond < 10 ? 1 : 0), number(row.p50Ms, 2), number(row.p99Ms, 2),
      number(row.cpuUsPerOp, 1), number(row.rssMb), row.note ?? '',
    ]);
  }
  return table.toString();
}
