import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { decodeBundle, entriesPath, hashesAtLevel, tilePath, tileWidth, widthIn } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Health, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { parseLeaf } from '../entries/leaf.js';
import { committedHead, type PublishedHead } from '../site/log.store.js';
import { Site } from '../site/site.store.js';
import { Gone, type Finding } from './finding.js';
import { Findings, mostKept } from './findings.store.js';
import { compareColumns, compareLeaves, compareOpenings } from './inspect.js';
import { brokenOrdinals, goneSince, openings, storedEntries, storedTile, wrongHeads } from './monitor.store.js';
import { restMs } from './rest.js';

const everyMs = 250;
const entriesPerRound = 4 * tileWidth;

/**
 * Compares every stored entry, tile, column and opening with this replica's published files, for ever and little by
 * little: whatever an insider did to the database below the signed size shows within a cycle.
 */
@Injectable()
export class PatrolJob implements OnModuleInit {
  private at = 0;
  private restingUntil = 0;
  private cycleStartedAt?: number;
  private found: Finding[] = [];
  private readonly gone = { entries: new Gone(), uses: new Gone() };
  private goneUpTo = 0;
  private readonly cycle: Gauge;

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly site: Site,
    private readonly findings: Findings,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
    health: Health,
  ) {
    this.cycle = new Gauge({
      name: 'writ_audit_patrol_seconds', help: 'How long the last comparison of the whole log with its published files took', registers: [health.registry],
    });
  }

  onModuleInit(): void {
    this.jobs.every(everyMs, 'patrol-log', () => this.transactions.read((db) => this.round(db)));
  }

  /** One stretch of the endless comparison. */
  async round(db: Db): Promise<void> {
    const startedAt = this.clock.nowMs();
    if (startedAt < this.restingUntil) return;
    this.cycleStartedAt ??= startedAt;
    const { logId, size } = await committedHead(db, this.config.logOrigin);
    const published = await this.site.head();
    this.findings.replace('heads', size < published.size ? [{ code: 'rolled-back', detail: `The log has ${size} entries, but ${published.size} were published.` }] : []);
    const end = Math.min(published.size, this.at + entriesPerRound);
    const found = await this.compare(db, logId, this.at, end, published);
    this.findings.add('patrol', found);
    if (this.found.length < mostKept) this.found.push(...found);
    this.at = end;
    const now = this.clock.nowMs();
    this.restingUntil = now + restMs(now - startedAt, this.config.auditPatrolShare);
    if (end === published.size) this.endCycle(now);
  }

  /** What an earlier cycle found and this one did not is mended. */
  private endCycle(now: number): void {
    this.findings.replace('patrol', this.found);
    this.found = [];
    this.at = 0;
    this.cycle.set((now - this.cycleStartedAt!) / 1_000);
    this.cycleStartedAt = undefined;
    this.restingUntil = Math.max(this.restingUntil, now + this.config.auditPatrolSeconds * 1_000);
  }

  private async compare(db: Db, logId: number, first: number, end: number, published: PublishedHead): Promise<Finding[]> {
    const stored = await storedEntries(db, logId, first, end);
    const texts = await openings(db, logId, first, end);
    // Read after the openings: what was erased in between is known to be.
    this.goneUpTo = await goneSince(db, logId, this.goneUpTo, this.gone);
    const found: Finding[] = [];
    for (let at = first; at < end; at += tileWidth) {
      const bundle = Math.floor(at / tileWidth);
      const width = widthIn(published.size, 0, bundle);
      const leaves = decodeBundle(await this.site.tiles.readEntries(bundle, width), width);
      found.push(...compareLeaves(bundle * tileWidth, stored, leaves), ...await this.compareTile(db, logId, 0, bundle, published.size));
      for (const [i, leaf] of leaves.entries()) {
        const index = bundle * tileWidth + i;
        found.push(...compareOpenings(index, parseLeaf(leaf), texts.get(index) ?? [], this.gone.entries));
      }
    }
    for (const entry of stored.values()) found.push(...compareColumns(entry, this.config.logOrigin));
    found.push(...await this.compareTokens(db, logId, [...new Set([...stored.values()].flatMap(({ token }) => token ?? []))]));
    if (end === published.size) found.push(...await this.compareUpperTiles(db, logId, published.size));
    return found;
  }

  private async compareTokens(db: Db, logId: number, tokens: readonly string[]): Promise<Finding[]> {
    if (tokens.length === 0) return [];
    const settledBefore = new Date(this.clock.nowMs() - this.config.auditGraceSeconds * 1_000);
    const gaps = await brokenOrdinals(db, logId, tokens, settledBefore);
    return [
      ...gaps.map(({ last, detail }): Finding => ({ code: 'ordinal-gap', detail, index: last })),
      ...(await wrongHeads(db, logId, tokens)).map((token): Finding => ({ code: 'index-differs', detail: `Another entry is listed as the newest of ${token} than is.` })),
    ];
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
}
