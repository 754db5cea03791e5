import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { encodeBase64, openCheckpoint, parseNote, proveConsistency, sameHash } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Health, Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { AppendStore } from '../entries/append.store.js';
import { Findings } from '../monitor/findings.store.js';
import { alone } from './alone.store.js';
import { committedHead, cosignedNote, hasNews, leavesOf, LogTampered, newestCheckpoint, setBack, type CheckpointRow, type LogHead, type TreeHead } from './log.store.js';
import { Signer } from './signer.client.js';
import { Site } from './site.store.js';

const lookEveryMs = 200;
const betweenCheckpointsMs = 1_000;
/** The news of a checkpoint is itself an entry; alone it waits this long for its own checkpoint. */
const betweenIdleCheckpointsMs = 60_000;
/** Any constant will do; one publisher per database. */
const lockId = 4_001_701;

/**
 * Publishes signed checkpoints, at most one per second, by whichever replica gets the lock.
 *
 *   entries committed ── crash here: unsigned, nothing lost
 *   tiles and bundles written and synced ── crash here: written again, the same bytes
 *   the signer records the head, then signs ── crash here: asked again, it answers the same bytes
 *   checkpoint renamed into its place, then its row and its news ── crash between: published again, the same bytes
 *
 * Never the other way round: a signature must not exist for a tree that can still vanish.
 */
@Injectable()
export class PublishJob implements OnModuleInit {
  private trouble?: string;

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly source: DataSource,
    private readonly site: Site,
    private readonly signer: Signer,
    private readonly log: AppendStore,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
    private readonly health: Health,
    private readonly findings: Findings,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.site.sweep();
    await this.transactions.run((tx) => this.log.create(tx.db));
    this.log.signedUpTo(await this.signedSize());
    this.jobs.every(lookEveryMs, 'publish-checkpoint', () => this.round());
    this.health.add(() => this.trouble);
  }

  /** One look at the log: follows what another replica published, or publishes itself. */
  async round(): Promise<void> {
    try {
      const { head, newest } = await this.transactions.read((db) => this.state(db));
      const published = await this.site.head();
      if (head.size < published.size) throw setBack(head.size, published.size);
      if (newest && newest.size > published.size) await this.follow(head, newest);
      if (await this.isDue(head, newest)) await alone(this.source, lockId, () => this.publish());
      this.trouble = undefined;
      this.findings.replace('publish', []);
    } catch (error) {
      if (error instanceof LogTampered) this.findings.replace('publish', [{ code: 'head-differs', detail: error.message }]);
      this.trouble = error instanceof LogTampered ? `the log is not intact: ${error.message}` : 'no checkpoint can be published';
      throw error;
    }
  }

  /** By this replica's files, and by the signer where it answers: a start must not wait for it. */
  private async signedSize(): Promise<number> {
    const { size } = await this.site.head();
    return Math.max(size, await this.signer.head().then((signed) => signed.size, () => 0));
  }

  private async state(db: Db): Promise<{ head: LogHead; newest?: CheckpointRow }> {
    const head = await committedHead(db, this.config.logOrigin);
    return { head, newest: await newestCheckpoint(db, head.logId) };
  }

  private async isDue(head: LogHead, newest?: CheckpointRow): Promise<boolean> {
    const since = newest?.size ?? 0;
    if (head.size < since) throw setBack(head.size, since);
    if (head.size === since) return false;
    const age = this.clock.now().getTime() - (newest?.publishedAt.getTime() ?? 0);
    if (age < betweenCheckpointsMs) return false;
    return age >= betweenIdleCheckpointsMs || this.transactions.read((db) => hasNews(db, head.logId, since));
  }

  /** Reads the state again: another replica may have published between the look and the lock. */
  private async publish(): Promise<void> {
    const { head, newest } = await this.transactions.read((db) => this.state(db));
    if (newest && head.size <= newest.size) return;
    const signed = await this.signer.head();
    const published = await this.site.head();
    this.log.signedUpTo(Math.max(signed.size, published.size));
    if (signed.size > head.size || published.size > head.size) throw setBack(head.size, Math.max(signed.size, published.size));
    await this.extend(head, published);
    const proof = await this.proofFrom(signed, head);
    const note = await this.signer.sign(head, proof);
    openCheckpoint(note, [await this.signer.key()]);
    await this.site.publish(note);
    await this.record(head, note);
  }

  private async extend(head: LogHead, from: TreeHead): Promise<void> {
    const root = await this.site.extend(from, head.size, (start, end) => this.transactions.read((db) => leavesOf(db, head.logId, start, end)));
    if (!sameHash(root, head.root)) throw new LogTampered(`The first ${head.size} entries do not have the root of the log.`);
  }

  private proofFrom(signed: TreeHead, head: TreeHead): Promise<Uint8Array[]> {
    if (signed.size === head.size && !sameHash(signed.root, head.root)) throw new LogTampered(`Another tree of ${head.size} entries was signed.`);
    return proveConsistency(this.site.tiles, signed.size, head.size);
  }

  private async record(head: LogHead, note: string): Promise<void> {
    const { logOrigin: origin } = this.config;
    const root = encodeBase64(head.root);
    await this.transactions.run(async (tx) => {
      const [row] = await tx.db.query<{ published_at: Date }>(
        'INSERT INTO checkpoint (log_id, size, root, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING published_at',
        [head.logId, head.size, head.root, note],
      );
      if (!row) return;
      const witnessed = await cosignedNote(tx.db, head.logId);
      const cosignatures = witnessed === undefined ? 0 : parseNote(witnessed).signatures.length - 1;
      tx.emit('checkpoint.published', { origin, size: head.size, root, publishedAt: row.published_at.toISOString(), cosignatures }, { subject: origin });
    });
  }

  /** Brings this replica's files to a checkpoint that another one published. */
  private async follow(head: LogHead, newest: CheckpointRow): Promise<void> {
    openCheckpoint(newest.note, [await this.signer.key()]);
    await this.extend({ ...head, size: newest.size, root: newest.root }, await this.site.head());
    await this.site.publish(newest.note);
  }
}
