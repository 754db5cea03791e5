import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import { grantedLeaseMs, grantLease, VerifierState } from '@writ/gateway';
import { Transactions, type Db } from '@writ/messaging';
import { Clock, Health, Jobs, LOG } from '@writ/service';
import type { KeyProvider, StateKind } from '@writ/token';
import { follow, type Followed } from '../state/check-log.js';
import { IssuerConfig } from '../config.js';
import { HeadFile } from '../state/head-file.store.js';
import { KEYS } from '../keys.store.js';
import { entryOf, type Head, type LogRow } from '../state/state-log.store.js';

const pollMs = 100;
const entriesPerPoll = 1_000;
/** What verifiers must hear of at once. All else they may hear with their next ask: it makes no yes a no, or they know its time. */
const stopping: ReadonlySet<StateKind> = new Set(['suspend', 'revoke', 'retire', 'epoch']);

type FollowRow = { incarnation: string; head_seq: string; head_chain: Buffer; db_now: Date; registered: boolean } & LogRow;
const followSql = `
  SELECT h.incarnation, h.seq AS head_seq, h.chain AS head_chain, statement_timestamp() AS db_now, e.*,
    EXISTS (SELECT FROM verifier v WHERE v.verifier_id = $2 AND v.retired_at IS NULL) AS registered
  FROM state_head h LEFT JOIN LATERAL (SELECT * FROM state_log l WHERE l.seq > $1 ORDER BY l.seq LIMIT ${entriesPerPoll}) e ON true ORDER BY e.seq`;

/**
 * This replica as a verifier among others: it follows the state log, checks that nothing in it was changed, and may
 * answer from memory only as long as its lease says. A log that went back, or has a hole, stops every yes until an
 * operator has looked: no poll mends that.
 */
@Injectable()
export class Replica implements OnModuleInit, OnApplicationShutdown {
  id = '';
  /** What this replica has read of tokens, and whether it may be believed just now. */
  readonly state: VerifierState;
  private readonly file: HeadFile;
  // Everything up to here was read and found unchanged.
  private followed?: Followed;
  private persisted?: Head;
  private incarnation = '';
  private doubt?: string;
  private isDoubtKept = false;
  private lastStop = 0;
  private polling?: Promise<void>;
  private again = false;
  private begun!: () => void;
  /** Resolves when the head is known, also where it is in doubt. */
  readonly started = new Promise<void>((resolve) => {
    this.begun = resolve;
  });
  private readonly newsListeners = new Set<() => void>();
  private readonly keptListeners = new Set<() => void>();

  constructor(
    private readonly config: IssuerConfig, private readonly transactions: Transactions<'issuer'>, private readonly jobs: Jobs, private readonly health: Health,
    private readonly clock: Clock, @Inject(KEYS) private readonly keys: KeyProvider, @Inject(LOG) private readonly log: Logger,
  ) {
    this.state = new VerifierState(config.cacheTokens);
    this.file = new HeadFile(config.stateDir, clock.newId('vrf'));
  }

  async onModuleInit(): Promise<void> {
    await this.start();
    this.begun();
    this.transactions.onSaid(() => this.pollSoon());
    this.jobs.everyOwn(pollMs, 'follow-state-log', () => this.poll());
    this.health.add(() => this.doubt);
  }

  /** Why nothing is VALID any more until an operator has acted, or undefined. */
  get inDoubt(): string | undefined {
    return this.doubt;
  }

  get headSeq(): number {
    return this.followed?.seq ?? 0;
  }

  get logIncarnation(): string {
    return this.incarnation;
  }

  /** Place of the newest entry that verifiers must hear of at once. */
  get stopSeq(): number {
    return this.lastStop;
  }

  /** Called whenever this replica has applied something new. */
  onNews(listener: () => void): () => void {
    this.newsListeners.add(listener);
    return () => this.newsListeners.delete(listener);
  }

  /** Called when what is new is also kept outside the database: from then on its loss would be noticed. */
  onKept(listener: () => void): void {
    this.keptListeners.add(listener);
  }

  /** Reads what is new in the log and renews the lease. A call during a read causes another one after it. */
  poll(): Promise<void> {
    if (this.polling) {
      this.again = true;
      return this.polling;
    }
    this.polling = this.round().finally(() => {
      this.polling = undefined;
      if (this.again) {
        this.again = false;
        this.pollSoon();
      }
    });
    return this.polling;
  }

  /** For whoever does not wait: a failure is logged, and the next poll tries again. */
  private pollSoon(): void {
    this.poll().catch((error: unknown) => this.log.warn({ err: error }, 'the state log cannot be read just now'));
  }

  /** Begins at the head, if the database still holds everything that was seen of it before. */
  private async start(): Promise<void> {
    // Read first: another replica may see and record newer entries at any time, and the database then holds them too.
    const seen = this.file.all();
    const [head] = await this.transactions.read((db) => db.query<{ incarnation: string; seq: string; chain: Buffer }>('SELECT incarnation, seq, chain FROM state_head'));
    if (!head) throw new Error('The state log has no head; its migrations have not run.');
    this.incarnation = head.incarnation;
    this.followed = { seq: Number(head.seq), chain: head.chain };
    this.lastStop = this.headSeq;
    const told = this.file.doubt();
    if (told !== undefined) await this.distrust(told);
    else await this.compareWithFiles(seen, this.followed);
    if (this.doubt) return;
    await this.persist();
    await this.register();
    await this.poll();
  }

  /** From here on fences wait for this replica. Its memory is empty, so everything up to the head is applied to it. */
  private async register(): Promise<void> {
    this.id = this.clock.newId('vrf');
    const leaseMs = grantedLeaseMs(this.config.leaseMs);
    await this.transactions.read((db) => db.query(
      'INSERT INTO verifier (verifier_id, name, lease_ms) VALUES ($1, $2, $3)', [this.id, `issuer ${hostname()}/${process.pid}`, leaseMs],
    ));
    this.state.joined({ verifierId: this.id, leaseMs, incarnation: this.incarnation, headSeq: this.headSeq });
    for (const listener of [...this.newsListeners, ...this.keptListeners]) listener();
  }

  private async persist(): Promise<void> {
    const head = { incarnation: this.incarnation, ...this.followed as Followed };
    await this.file.write(head);
    this.persisted = head;
  }

  /** The database must still hold every head that was seen before. */
  private async compareWithFiles(heads: readonly Head[], now: Followed): Promise<void> {
    for (const { incarnation, seq, chain } of heads) {
      if (incarnation !== this.incarnation) return this.distrust(`the state log is another one than ${seq} entries of it were seen of before`);
      const [row] = seq === 0 ? [{ chain: Buffer.alloc(32) }] : await this.transactions.read((db) => db.query<{ chain: Buffer }>('SELECT chain FROM state_log WHERE seq = $1', [seq]));
      if (seq > now.seq || !row?.chain.equals(chain)) return this.distrust(`the state log was set back: ${seq} entries were seen, ${now.seq} are there`);
    }
  }

  private async round(): Promise<void> {
    const from = this.followed;
    if (this.doubt) return this.keepDoubt();
    if (!from) return;
    const ask = this.state.ask(randomBytes(9).toString('base64url'), { mono: performance.now(), wall: Date.now() }, 0);
    const rows = await this.transactions.read((db: Db) => db.query<FollowRow>(followSql, [from.seq, this.id]));
    const [head] = rows;
    if (!head) return this.distrust('the state log has no head');
    if (!head.registered) return this.register(); // Somebody waited for this replica in vain.
    if (head.incarnation !== this.incarnation) return this.distrust('the state log was exchanged for another one');
    const entries = rows.filter(({ seq }) => seq !== null);
    const followed = await follow(this.keys, from, entries);
    if (typeof followed === 'string') return this.distrust(followed);
    const headSeq = Number(head.head_seq);
    if (headSeq < followed.seq) return this.distrust(`the state log was set back from ${followed.seq} to ${headSeq}`);
    if (headSeq === followed.seq && !head.head_chain.equals(followed.chain)) return this.distrust('the head of the state log is not what was written');
    if (headSeq > followed.seq && entries.length < entriesPerPoll) return this.distrust(`entry ${followed.seq + 1} of the state log is missing`);
    const news = entries.map(entryOf);
    const grant = grantLease(ask, { registered: true, incarnation: head.incarnation, headSeq, databaseTime: head.db_now.toISOString(), entries: news });
    if (typeof grant === 'string') return this.distrust(`the state log refuses: ${grant}`);
    const granted = this.state.granted(grant);
    if (granted === 'ignored') return; // Its clocks parted meanwhile, so nothing was applied: the next round reads the same again.
    this.followed = followed;
    if (granted === 'behind') this.again = true;
    this.lastStop = news.findLast(({ kind }) => stopping.has(kind))?.seq ?? this.lastStop;
    if (news.length > 0) for (const listener of this.newsListeners) listener();
    await this.keep();
  }

  /** Also where an earlier round could not: nobody hears that an entry is kept before it is. */
  private async keep(): Promise<void> {
    if (this.persisted?.seq === this.headSeq) return;
    await this.persist();
    for (const listener of this.keptListeners) listener();
  }

  /** Another replica's doubt about the same log is this one's too. */
  async hearDoubt(): Promise<void> {
    const told = this.doubt ? undefined : this.file.doubt();
    if (told !== undefined) await this.distrust(told);
  }

  /** Removes the head files that this replica's covers. */
  async tidy(): Promise<void> {
    if (this.persisted) await this.file.tidy(this.persisted);
  }

  /** Stops every yes until an operator has accepted the log: not even a restart forgets it. */
  async distrust(doubt: string): Promise<void> {
    this.doubt = doubt;
    this.state.voidLease();
    this.state.cache.clear();
    this.log.error({ doubt }, 'nothing is valid any more until an operator has looked at the state log');
    await this.keepDoubt();
  }

  /** Tried again by the next poll where it fails. */
  private async keepDoubt(): Promise<void> {
    if (this.isDoubtKept || this.doubt === undefined) return;
    await this.file.keepDoubt(this.doubt);
    this.isDoubtKept = true;
  }

  async onApplicationShutdown(): Promise<void> {
    this.state.voidLease();
    // If this fails, fences wait for the lease of a replica that is gone, and retire it then.
    await this.transactions.read((db) => db.query('DELETE FROM verifier WHERE verifier_id = $1', [this.id])).catch((error: unknown) => this.log.warn({ err: error }, 'this replica could not take its leave'));
  }
}
