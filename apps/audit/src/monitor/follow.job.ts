import { Injectable, type OnModuleInit } from '@nestjs/common';
import { tileWidth } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { parseLeaf } from '../entries/leaf.js';
import { committedHead } from '../site/log.store.js';
import { Counters } from './counters.js';
import { Findings } from './findings.store.js';
import { brokenOrdinals, leavesToFollow } from './monitor.store.js';
import { SignsOfLife } from './signs-of-life.js';

const everyMs = 500;
const entriesPerRound = 4 * tileWidth;
const tokensAtOnce = 1_000;
/** More tokens than this wait for the patrol, which checks those of every entry it passes. */
const mostActiveTokens = 50_000;

/**
 * Checks the numbers of producers and tokens of all entries, the newest within seconds, and who fell silent. Each replica
 * watches for itself, with its own memory.
 */
@Injectable()
export class FollowJob implements OnModuleInit {
  private followed = 0;
  private readonly counters: Counters;
  private readonly signs: SignsOfLife;
  private readonly active = new Map<string, number>();
  private broken: string[] = [];

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly findings: Findings,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {
    this.counters = new Counters(config.auditGraceSeconds * 1_000);
    this.signs = new SignsOfLife(clock.nowMs());
  }

  onModuleInit(): void {
    this.jobs.every(everyMs, 'follow-log', () => this.transactions.read((db) => this.round(db)));
  }

  /** Takes in what was recorded since, and says which numbers stay missing. */
  async round(db: Db): Promise<boolean> {
    const { logId, size } = await committedHead(db, this.config.logOrigin);
    if (size < this.followed) return false; // Set back; the patrol says so, and going on would hide it.
    const end = Math.min(size, this.followed + entriesPerRound);
    const now = this.clock.nowMs();
    // All are read before one is counted: a leaf that cannot be read must not have those before it counted twice.
    const next = (await leavesToFollow(db, logId, this.followed, end)).map(({ leaf, token }) => ({ leaf: parseLeaf(leaf), token }));
    for (const { leaf, token } of next) {
      this.counters.take(leaf, now);
      this.signs.take(leaf);
      if (token && this.active.size < mostActiveTokens) this.active.set(token, now);
    }
    this.followed = end;
    // Whoever has not read to the end does not know who spoke last.
    this.findings.replace('counters', [...this.counters.wrong(now), ...(end === size ? this.signs.missing(now) : [])]);
    await this.checkOrdinals(db, logId, now);
    return end < size;
  }

  /** Tokens are checked when nothing came for a while, because their events overtake one another; broken ones again and again. */
  private async checkOrdinals(db: Db, logId: number, now: number): Promise<void> {
    const settledMs = now - this.config.auditGraceSeconds * 1_000;
    const due = [...this.active].filter(([, at]) => at <= settledMs).slice(0, tokensAtOnce).map(([token]) => token);
    for (const token of due) this.active.delete(token);
    const tokens = [...new Set([...due, ...this.broken])];
    const broken = tokens.length === 0 ? [] : await brokenOrdinals(db, logId, tokens, new Date(settledMs));
    this.broken = broken.slice(0, tokensAtOnce).map(({ token }) => token);
    this.findings.replace('ordinals', broken.map(({ last, detail }) => ({ code: 'ordinal-gap', detail, index: last })));
  }
}
