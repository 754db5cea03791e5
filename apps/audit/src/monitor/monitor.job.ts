import { Injectable, type OnModuleInit } from '@nestjs/common';
import { services } from '@writ/contracts';
import { decodeBundle, entriesPath, hashesAtLevel, tilePath, tileWidth, widthIn } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { parseLeaf } from '../entries/leaf.js';
import { committedHead } from '../site/log.store.js';
import { Site, type PublishedHead } from '../site/site.store.js';
import { Counters } from './counters.js';
import type { Finding } from './finding.js';
import { Findings } from './findings.store.js';
import { compareColumns, compareLeaves, compareOpenings } from './inspect.js';
import { brokenOrdinals, goneOpenings, isFirst, lastSignsOfLife, leavesToFollow, openings, storedEntries, storedTile } from './monitor.store.js';

const patrolEveryMs = 250;
const followEveryMs = 500;
const tellEveryMs = 500;
const entriesPerPatrol = 4 * tileWidth;
/** The patrol rests this many times as long as it worked: a few percent of a core, whatever the size of the log. */
const restPerWork = 25;
/** On a machine that stands still, work is mostly waiting: a patrol does not rest for that. */
const longestRestMs = 10_000;
const entriesPerFollow = 4 * tileWidth;
const tokensAtOnce = 1_000;
/** More tokens than this wait for the patrol, which checks those of every entry it passes. */
const mostActiveTokens = 50_000;
const mostFindings = 1_000;
const silentAfterMs = 180_000;

/**
 * Looks for what an insider did to the database, for ever: the patrol compares every stored entry, tile, column and
 * opening with this replica's published files; the follower checks the numbers of producers and tokens of all entries,
 * the newest within seconds. Each replica watches for itself, with its own memory.
 */
@Injectable()
export class MonitorJob implements OnModuleInit {
  private patrolled = 0;
  private restingUntil = 0;
  private patrolFindings: Finding[] = [];
  private followed = 0;
  private readonly counters: Counters;
  private readonly active = new Map<string, number>();
  private broken: string[] = [];
  private readonly untold: Finding[] = [];
  private readonly started: number;

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly site: Site,
    private readonly findings: Findings,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {
    this.counters = new Counters(config.auditGraceSeconds * 1_000);
    this.started = clock.now().getTime();
  }

  onModuleInit(): void {
    this.jobs.every(patrolEveryMs, 'patrol-log', () => this.transactions.read((db) => this.patrol(db)));
    this.jobs.every(followEveryMs, 'follow-log', () => this.transactions.read((db) => this.follow(db)));
    this.jobs.every(tellEveryMs, 'tell-findings', () => this.tell());
    this.findings.onNew((finding) => this.untold.push(finding));
  }

  /** One stretch of the endless comparison with the published files. */
  async patrol(db: Db): Promise<void> {
    const startedAt = this.clock.now().getTime();
    if (startedAt < this.restingUntil) return;
    const { logId, size } = await committedHead(db, this.config.logOrigin);
    const published = await this.site.head();
    this.findings.replace('heads', size < published.size ? [{ code: 'rolled-back', detail: `The log has ${size} entries, but ${published.size} were published.` }] : []);
    const end = Math.min(published.size, this.patrolled + entriesPerPatrol);
    const found = await this.compare(db, logId, this.patrolled, end, published);
    this.findings.add('patrol', found);
    if (this.patrolFindings.length < mostFindings) this.patrolFindings.push(...found); // Each was said; a few are shown.
    this.patrolled = end;
    const now = this.clock.now().getTime();
    this.restingUntil = now + Math.min(longestRestMs, restPerWork * (now - startedAt));
    if (end < published.size) return;
    this.findings.replace('patrol', this.patrolFindings); // What an earlier cycle found and this one did not is mended.
    this.patrolFindings = [];
    this.patrolled = 0;
    this.restingUntil = Math.max(this.restingUntil, now + this.config.auditPatrolSeconds * 1_000);
  }

  private async compare(db: Db, logId: number, first: number, end: number, published: PublishedHead): Promise<Finding[]> {
    const stored = await storedEntries(db, logId, first, end);
    const texts = await openings(db, logId, first, end);
    const gone = await goneOpenings(db, logId);
    const found: Finding[] = [];
    for (let at = first; at < end; at += tileWidth) {
      const bundle = Math.floor(at / tileWidth);
      const width = widthIn(published.size, 0, bundle);
      const leaves = decodeBundle(await this.site.tiles.readEntries(bundle, width), width);
      found.push(...compareLeaves(bundle * tileWidth, stored, leaves), ...await this.compareTile(db, logId, 0, bundle, published.size));
      for (const [i, leaf] of leaves.entries()) {
        const index = bundle * tileWidth + i;
        found.push(...compareOpenings(index, parseLeaf(leaf), texts.get(index) ?? [], gone));
      }
    }
    for (const entry of stored.values()) found.push(...compareColumns(entry, this.config.logOrigin));
    const tokens = new Set([...stored.values()].flatMap(({ token }) => token ?? []));
    found.push(...(await this.ordinals(db, logId, [...tokens])).map(({ finding }) => finding));
    if (end === published.size) found.push(...await this.compareUpperTiles(db, logId, published.size));
    return found;
  }

  private async compareUpperTiles(db: Db, logId: number, size: number): Promise<Finding[]> {
    const found: Finding[] = [];
    for (let level = 1; hashesAtLevel(size, level) > 0; level++) {
      for (let index = 0; index * tileWidth < hashesAtLevel(size, level); index++) found.push(...await this.compareTile(db, logId, level, index, size));
    }
    return found;
  }

  private async compareTile(db: Db, logId: number, level: number, index: number, size: number): Promise<Finding[]> {
    const width = widthIn(size, level, index);
    const published = await this.site.tiles.readTile(level, index, width);
    const stored = await storedTile(db, logId, level, index);
    if (stored && Buffer.compare(stored.subarray(0, published.length), published) === 0) return [];
    const path = level === 0 ? entriesPath(index, width) : tilePath({ level, index, width });
    return [{ code: 'tile-differs', detail: `The stored tile ${level}/${index} is not the published ${path}.`, index: index * tileWidth ** (level + 1) }];
  }

  /** Takes in what was recorded since, and says which numbers stay missing. */
  async follow(db: Db): Promise<boolean> {
    const { logId, size } = await committedHead(db, this.config.logOrigin);
    if (size < this.followed) return false; // Set back; the patrol says so, and going on would hide it.
    const end = Math.min(size, this.followed + entriesPerFollow);
    const now = this.clock.now().getTime();
    // All are read before one is counted: a leaf that cannot be read must not have those before it counted twice.
    const next = (await leavesToFollow(db, logId, this.followed, end)).map(({ leaf, token }) => ({ leaf: parseLeaf(leaf), token }));
    for (const { leaf, token } of next) {
      this.counters.take(leaf, now);
      if (token && this.active.size < mostActiveTokens) this.active.set(token, now);
    }
    this.followed = end;
    this.findings.replace('counters', [...this.counters.wrong(now), ...await this.silent(db, logId, now)]);
    await this.checkOrdinals(db, logId, now);
    return end < size;
  }

  /** Tokens are checked when nothing came for a while, because their events overtake one another; broken ones again and again. */
  private async checkOrdinals(db: Db, logId: number, now: number): Promise<void> {
    const settledMs = now - this.config.auditGraceSeconds * 1_000;
    const due = [...this.active].filter(([, at]) => at <= settledMs).slice(0, tokensAtOnce).map(([token]) => token);
    for (const token of due) this.active.delete(token);
    const broken = await this.ordinals(db, logId, [...new Set([...due, ...this.broken])]);
    this.broken = broken.slice(0, tokensAtOnce).map(({ token }) => token);
    this.findings.replace('ordinals', broken.map(({ finding }) => finding));
  }

  private async ordinals(db: Db, logId: number, tokens: readonly string[]): Promise<{ token: string; finding: Finding }[]> {
    if (tokens.length === 0) return [];
    const settledBefore = new Date(this.clock.now().getTime() - this.config.auditGraceSeconds * 1_000);
    const broken = await brokenOrdinals(db, logId, tokens, settledBefore);
    return broken.map(({ token, last, detail }) => ({ token, finding: { code: 'ordinal-gap', detail, index: last } }));
  }

  private async silent(db: Db, logId: number, now: number): Promise<Finding[]> {
    if (now - this.started < silentAfterMs) return [];
    const heard = new Map((await lastSignsOfLife(db, logId)).map(({ service, at }) => [service, at.getTime()]));
    return services.filter((service) => now - (heard.get(service) ?? 0) > silentAfterMs)
      .map((service) => ({ code: 'service-silent', detail: `Nothing was heard of ${service} for ${silentAfterMs / 60_000} minutes.` }));
  }

  /**
   * Says each finding once, whichever replica found it first; by its event it becomes an entry itself, so that it cannot
   * be taken back. Where the log takes no entries the bus still hears of it.
   */
  async tell(): Promise<boolean> {
    const [finding] = this.untold;
    if (!finding) return false;
    const { code, detail, index } = finding;
    const { logOrigin: origin } = this.config;
    await this.transactions.run(async (tx) => {
      if (!await isFirst(tx.db, `${origin} ${code} ${index ?? detail}`)) return;
      tx.emit('audit.finding', { origin, code, detail: detail.slice(0, 1_024), ...(index !== undefined && { entry: index }) }, { subject: origin });
    });
    this.untold.shift();
    return this.untold.length > 0;
  }
}
