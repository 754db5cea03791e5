import { readFileSync, readdirSync } from 'node:fs';

const ticksPerSecond = 100;

export interface Cost { cpuUs: number; rssMb: number }

/** CPU since its start, that of children which ended included, and resident memory of one process, from /proc. */
export function costOf(pid: number): Cost | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpuUs: (fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond) * 1e6, rssMb: Number(rss ?? 0) / 1024 };
  } catch {
    return undefined; // It ended.
  }
}

/** All living processes below one, itself included. */
export function familyOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const family = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, parent] of parents) if (family.has(parent) && !family.has(pid)) grown = Boolean(family.add(pid));
  }
  return [...family];
}

/** Adds up what several processes and their children cost. */
export class Meter {
  private readonly start = new Map<string, number>();

  constructor(private readonly roots: ReadonlyMap<string, number>) {
    for (const [name, pid] of roots) this.start.set(name, cpuOf(pid));
  }

  /** CPU microseconds of each since the meter began, and its largest resident process. */
  read(): Map<string, Cost> {
    return new Map([...this.roots].map(([name, pid]) => [name, {
      cpuUs: cpuOf(pid) - (this.start.get(name) ?? 0),
      rssMb: Math.max(0, ...familyOf(pid).map((member) => costOf(member)?.rssMb ?? 0)),
    }]));
  }
}

const cpuOf = (pid: number) => familyOf(pid).reduce((sum, member) => sum + (costOf(member)?.cpuUs ?? 0), 0);
