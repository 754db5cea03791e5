import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { Gauge } from 'prom-client';
import { Health, LOG } from '@writ/service';
import type { Finding } from './finding.js';

/** Which round found it; a round replaces what it found before. */
export type Round = 'append' | 'patrol' | 'uses' | 'counters' | 'ordinals' | 'heads' | 'publish' | 'witnesses';
/** So many of a round are kept, and so many of those are shown. */
export const mostKept = 10_000;
const mostShown = 100;

/** What begins or ends: a finding is said when a round finds it first, and may be said again once it has ended. */
export interface Change {
  what: 'begins' | 'ends';
  key: string;
  finding: Finding;
}

/** What this replica knows to be wrong with the log, until a later round does not find it any more. */
@Injectable()
export class Findings {
  private readonly current = new Map<Round, Map<string, Finding>>();
  private readonly listeners: ((change: Change) => void)[] = [];

  constructor(@Inject(LOG) private readonly log: Logger, health: Health) {
    const gauge = new Gauge({
      name: 'writ_audit_findings', help: 'Things wrong with the log, by code', labelNames: ['code'], registers: [health.registry],
      collect: () => {
        gauge.reset();
        for (const { code } of this.all()) gauge.inc({ code });
      },
    });
  }

  all(): Finding[] {
    return [...this.current.values()].flatMap((findings) => [...findings.values()].slice(0, mostShown));
  }

  /** Called for every finding that begins or ends. */
  onChange(listener: (change: Change) => void): void {
    this.listeners.push(listener);
  }

  /** Replaces what the round found before. */
  replace(round: Round, findings: readonly Finding[]): void {
    const before = this.current.get(round) ?? new Map<string, Finding>();
    const now = new Map(findings.slice(0, mostKept).map((finding) => [keyOf(finding), finding]));
    this.current.set(round, now);
    for (const [key, finding] of before) if (!now.has(key)) this.say({ what: 'ends', key, finding });
    for (const [key, finding] of now) if (!before.has(key)) this.say({ what: 'begins', key, finding });
  }

  /** Adds to what the round found so far. */
  add(round: Round, findings: readonly Finding[]): void {
    if (findings.length > 0) this.replace(round, [...(this.current.get(round)?.values() ?? []), ...findings]);
  }

  private say(change: Change): void {
    const { what, finding } = change;
    if (what === 'begins') this.log.error({ finding }, 'the log is not intact');
    else this.log.info({ finding }, 'a finding ended');
    for (const listener of this.listeners) listener(change);
  }
}

function keyOf({ code, index, detail }: Finding): string {
  return `${code} ${index ?? detail}`;
}
