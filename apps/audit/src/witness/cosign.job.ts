import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { openCheckpoint } from '@writ/tlog';
import { Transactions } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { Findings } from '../monitor/findings.store.js';
import { alone } from '../site/alone.store.js';
import { committedHead, cosignedNote, headOfNote, keepCosigned, type PublishedHead } from '../site/log.store.js';
import { Signer } from '../site/signer.client.js';
import { Site } from '../site/site.store.js';
import { Cosigners } from './cosigners.client.js';
import { shownHead, waitedFor, type Witnessed } from './shown.js';

const lookEveryMs = 1_000;
const askEveryMs = 10_000;
/** Any constant will do; one replica asks at a time. */
const lockId = 4_001_704;

/**
 * Has the witnesses cosign the newest checkpoint every ten seconds, beside the publisher: a slow or silent one delays no
 * checkpoint. What a quorum cosigned is what strangers are shown.
 */
@Injectable()
export class CosignJob implements OnModuleInit {
  private witnessed: Witnessed = {};
  private askedAt = -Infinity;

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly source: DataSource,
    private readonly site: Site,
    private readonly signer: Signer,
    private readonly cosigners: Cosigners,
    private readonly findings: Findings,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    if (this.cosigners.needsWitnesses) this.jobs.every(lookEveryMs, 'cosign-checkpoint', () => this.round());
  }

  /** The checkpoint that strangers are shown; undefined where there is none yet, or none may be. */
  async shown(): Promise<PublishedHead | undefined> {
    const newest = await this.site.head();
    const shown = this.cosigners.needsWitnesses ? shownHead(newest, this.witnessed, this.config.auditWitnessMode, this.clock.nowMs()) : newest;
    return shown && shown.size > 0 ? shown : undefined;
  }

  async round(): Promise<void> {
    const newest = await this.site.head();
    await this.follow(newest);
    const now = this.clock.nowMs();
    if (newest.size <= (this.witnessed.head?.size ?? 0) || now - this.askedAt < askEveryMs) return;
    this.askedAt = now;
    await alone(this.source, lockId, () => this.ask(newest));
    await this.follow(newest);
  }

  private async ask(newest: PublishedHead): Promise<void> {
    const { note, findings } = await this.cosigners.cosign(newest, this.site.tiles);
    this.findings.replace('witnesses', findings);
    if (!this.cosigners.verdict(note, await this.signer.key())?.satisfied) return;
    await this.transactions.run(async ({ db }) => {
      const { logId } = await committedHead(db, this.config.logOrigin);
      await keepCosigned(db, logId, newest.size, note);
    });
  }

  /** Only what this replica's own files hold is shown: another may be ahead of it. */
  private async follow(newest: PublishedHead): Promise<void> {
    const note = await this.transactions.read(async (db) => cosignedNote(db, (await committedHead(db, this.config.logOrigin)).logId));
    let { head } = this.witnessed;
    if (note !== undefined && note !== head?.note) {
      openCheckpoint(note, [await this.signer.key()]);
      const cosigned = headOfNote(note);
      if (cosigned.size <= newest.size) head = cosigned;
    }
    this.witnessed = waitedFor(this.witnessed, head, newest.size, this.clock.nowMs());
  }
}
