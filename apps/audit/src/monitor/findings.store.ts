import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { Gauge } from 'prom-client';
import { Health, LOG } from '@writ/service';
import type { Finding, FindingCode } from './finding.js';

/** Which round found it; a round replaces what it found before. */
export type Round = 'patrol' | 'counters' | 'ordinals' | 'heads' | 'publish';
const most = 100;

/** What this replica knows to be wrong with the log, until a later round does not find it any more. */
@Injectable()
export class Findings {
  private readonly current = new Map<Round, Finding[]>();
  private readonly said = new Set<string>();
  private readonly listeners: ((finding: Finding) => void)[] = [];

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
    return [...this.current.values()].flat();
  }

  /** Called once for every new finding. */
  onNew(listener: (finding: Finding) => void): void {
    this.listeners.push(listener);
  }

  /** Replaces what the round found before. */
  replace(round: Round, findings: readonly Finding[]): void {
    this.current.set(round, findings.slice(0, most));
    for (const finding of findings) this.say(finding);
  }

  /** Adds to what the round found so far. */
  add(round: Round, findings: readonly Finding[]): void {
    if (findings.length > 0) this.replace(round, unique([...(this.current.get(round) ?? []), ...findings]));
  }

  private say(finding: Finding): void {
    const key = keyOf(finding);
    if (this.said.has(key) || this.said.size > 10_000) return;
    this.said.add(key);
    this.log.error({ finding }, 'the log is not intact');
    for (const listener of this.listeners) listener(finding);
  }
}

function keyOf({ code, index, detail }: { code: FindingCode; index?: number; detail: string }): string {
  return `${code} ${index ?? detail}`;
}

function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [keyOf(finding), finding])).values()];
}
