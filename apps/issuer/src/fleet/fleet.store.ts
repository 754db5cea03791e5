import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { FleetReceipt } from '@writ/contracts';
import {
  covers, fenceOf, grantedLeaseMs, grantLease, maxEntriesPerGrant, maxLeaseMs, type Acknowledgement, type FenceMember, type LeaseAsk, type LeaseGrant, type LeaseRefusal,
  type RegisterAsk, type Registration,
} from '@writ/gateway';
import { Transactions } from '@writ/messaging';
import { Clock, later } from '@writ/service';
import { Hints } from './hints.store.js';
import { Replica } from './replica.job.js';
import { entryOf, type LogRow } from '../state/state-log.store.js';

/** A retired verifier got its last lease before it was retired; it is waited for until that is over for certain. */
const afterlifeMs = 2 * maxLeaseMs + 400;
const maxKnown = 100_000;
/** Who lacks more than this reads alone: in a shared read the others would get nothing of what is new. */
const farBehind = maxEntriesPerGrant / 2;

type GrantRow = { incarnation: string; head_seq: string; db_now: Date; registered: Record<string, string> | null } & LogRow;
/** With a client in $3 its entries are read only where the verifier is that client's. */
const grantSql = `
  SELECT h.incarnation, h.seq AS head_seq, statement_timestamp() AS db_now, e.*,
    (SELECT json_object_agg(v.verifier_id, v.client_id) FROM verifier v WHERE v.verifier_id = ANY($2) AND v.retired_at IS NULL) AS registered
  FROM state_head h LEFT JOIN LATERAL (
    SELECT * FROM state_log l WHERE l.seq > $1 AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM verifier v WHERE v.verifier_id = ANY($2) AND v.client_id = $3 AND v.retired_at IS NULL)) ORDER BY l.seq LIMIT ${maxEntriesPerGrant}) e ON true ORDER BY e.seq`;

/** A read of the log for all asks that came before it began. */
interface GrantRead {
  asks: LeaseAsk[];
  rows: Promise<GrantRow[]>;
}

/** The issuer's side of the fleet protocol: who verifies from memory, under which lease, and what they have applied. */
@Injectable()
export class Fleet implements OnModuleInit, BeforeApplicationShutdown {
  // The newest acknowledgement of each verifier; a fence that begins after it need not wait for another.
  private readonly acknowledged = new Map<string, Acknowledgement>();
  private readonly owners = new Map<string, string>();
  private readonly held = new Set<{ after: number; letGo: () => void }>();
  /** Who got a lease here since it was last written down. */
  private leased = new Set<string>();
  private isClosing = false;
  private nextRead?: GrantRead;
  private readonly listeners = new Set<(ack: Acknowledgement) => void>();

  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly replica: Replica, private readonly hints: Hints, private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.replica.started;
    const applied = () => this.heard({ verifierId: this.replica.id, incarnation: this.replica.logIncarnation, appliedSeq: this.replica.headSeq }, true);
    applied();
    this.replica.onKept(applied);
    this.replica.onNews(() => {
      this.hints.publish({ head: this.replica.headSeq });
      for (const { after, letGo } of [...this.held]) if (this.replica.stopSeq > after) letGo();
    });
    this.hints.listen(this.replica.logIncarnation);
    this.hints.onHint((hint) => {
      if ('ack' in hint) this.heard(hint.ack, false);
      else if ('head' in hint && hint.head > this.replica.headSeq) void this.replica.poll().catch(() => undefined); // The next poll says what is wrong.
    });
  }

  /** Asks that are held are let go, to be asked of another replica. */
  beforeApplicationShutdown(): void {
    this.isClosing = true;
    for (const { letGo } of [...this.held]) letGo();
  }

  /** Registers durably, then reads the head: whoever revokes afterwards finds the registration. */
  async register(clientId: string, { name, leaseMs: asked }: RegisterAsk): Promise<Registration> {
    const verifierId = this.clock.newId('vrf');
    const leaseMs = grantedLeaseMs(asked);
    await this.transactions.read((db) => db.query('INSERT INTO verifier (verifier_id, name, client_id, lease_ms) VALUES ($1, $2, $3, $4)', [verifierId, name, clientId, leaseMs]));
    const [head] = await this.transactions.read((db) => db.query<{ incarnation: string; seq: string }>('SELECT incarnation, seq FROM state_head'));
    this.own(verifierId, clientId);
    return { verifierId, leaseMs, incarnation: head?.incarnation as string, headSeq: Number(head?.seq) };
  }

  /** Whoever leaves has given up its lease before: nobody waits for it any more. */
  async leave(clientId: string, verifierId: string): Promise<void> {
    await this.transactions.read((db) => db.query('DELETE FROM verifier WHERE verifier_id = $1 AND client_id = $2', [verifierId, clientId]));
  }

  /** Answers an ask for a lease; where nothing was stopped it may wait until something is. Writes nothing. */
  async lease(clientId: string, ask: LeaseAsk): Promise<LeaseGrant | LeaseRefusal> {
    if (this.replica.inDoubt) return 'ahead';
    if (this.owners.get(ask.verifierId) === clientId) this.heard({ verifierId: ask.verifierId, incarnation: ask.incarnation, appliedSeq: ask.appliedSeq }, true);
    // Held until something stops, not until anything is new: under mass issue each entry would let go the whole fleet.
    if (ask.holdMs > 0 && ask.appliedSeq >= this.replica.stopSeq) await this.stopAfter(ask.appliedSeq, Math.min(ask.holdMs, maxLeaseMs));
    if (this.isClosing) throw later('This replica is stopping.', 0);
    const rows = await (ask.appliedSeq < this.replica.headSeq - farBehind ? this.read([ask], clientId) : this.shared(ask));
    const head = rows[0] as GrantRow;
    const registered = head.registered?.[ask.verifierId] === clientId;
    if (registered) {
      this.own(ask.verifierId, clientId);
      this.leased.add(ask.verifierId);
    }
    // Cut off before this ask's entries begin, because another one is far behind, the answer says that there is more.
    const entries = rows.filter(({ seq }) => seq !== null && Number(seq) > ask.appliedSeq).map(entryOf);
    return grantLease(ask, { registered, incarnation: head.incarnation, headSeq: Number(head.head_seq), databaseTime: head.db_now.toISOString(), entries });
  }

  private read(asks: readonly LeaseAsk[], clientId: string | null = null): Promise<GrantRow[]> {
    const from = Math.min(...asks.map(({ appliedSeq }) => appliedSeq));
    return this.transactions.read((db) => db.query<GrantRow>(grantSql, [from, asks.map(({ verifierId }) => verifierId), clientId]));
  }

  private shared(ask: LeaseAsk): Promise<GrantRow[]> {
    this.nextRead ??= this.beginRead();
    this.nextRead.asks.push(ask);
    return this.nextRead.rows;
  }

  /** Who is known to live, this replica first; each is named once. */
  takeHeard(): string[] {
    const heard = [this.replica.id, ...this.leased];
    this.leased = new Set();
    return heard;
  }

  giveBackHeard(heard: readonly string[]): void {
    for (const verifierId of heard) this.leased.add(verifierId);
  }

  /** The head must be read after the ask came: an ask joins only a read that has not begun. */
  private beginRead(): GrantRead {
    const asks: LeaseAsk[] = [];
    const turn = new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    const rows = turn.then(() => {
      this.nextRead = undefined;
      return this.read(asks);
    });
    return { asks, rows };
  }

  /**
   * Returns when no verifier under lease says VALID from before the entry, with what each one did. Call it after the
   * commit. Who was waited for in vain registers anew: a process that is gone is waited for once.
   * @param whom `replicas`: only the issuer's own, so that what was stopped is stopped at every door of the issuer
   */
  async fence(seq: number, whom: 'fleet' | 'replicas' = 'fleet'): Promise<FleetReceipt[]> {
    const committedBy = performance.now();
    const incarnation = this.replica.logIncarnation;
    const heard = new Map(this.acknowledged);
    let wake = (): void => undefined;
    const listener = (ack: Acknowledgement) => {
      if (!covers(ack, seq, incarnation) || covers(heard.get(ack.verifierId), seq, incarnation)) return;
      heard.set(ack.verifierId, ack);
      wake();
    };
    this.listeners.add(listener);
    try {
      const members = await this.members(whom);
      await this.replica.poll().catch(() => undefined); // In doubt about itself this replica is waited for like others.
      for (;;) {
        const now = performance.now();
        const { done, receipts, doneBy } = fenceOf({ seq, incarnation, committedBy, members, acknowledgements: heard }, now);
        if (done) return await this.retired(receipts as FleetReceipt[]);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.max(1, doneBy - now));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      this.listeners.delete(listener);
    }
  }

  /** Undefined where the registry cannot be read: then the full time passes. */
  private async members(whom: 'fleet' | 'replicas'): Promise<FenceMember[] | undefined> {
    try {
      const rows = await this.transactions.read((db) => db.query<{ verifier_id: string; name: string; lease_ms: number }>(
        `SELECT verifier_id, name, lease_ms FROM verifier
         WHERE (retired_at IS NULL OR retired_at > now() - ${afterlifeMs} * interval '1 millisecond') AND (client_id IS NULL OR $1) ORDER BY verifier_id`, [whom === 'fleet'],
      ));
      return rows.map(({ verifier_id, name, lease_ms }) => ({ verifierId: verifier_id, name, leaseMs: lease_ms }));
    } catch {
      return undefined;
    }
  }

  private async retired(receipts: FleetReceipt[]): Promise<FleetReceipt[]> {
    const silent = receipts.filter(({ outcome }) => outcome === 'fenced').map(({ verifierId }) => verifierId);
    if (silent.length > 0) {
      // An upload may hold a row for long: the afterlife begins when the row is ours, not when we asked for it.
      await this.transactions.read((db) => db.query(
        `WITH held AS (SELECT verifier_id FROM verifier WHERE verifier_id = ANY($1) AND retired_at IS NULL ORDER BY verifier_id FOR UPDATE)
         UPDATE verifier v SET retired_at = clock_timestamp() FROM held WHERE v.verifier_id = held.verifier_id`, [silent],
      ));
    }
    return receipts;
  }

  private heard({ verifierId, incarnation, appliedSeq }: Omit<Acknowledgement, 'at'>, tellOthers: boolean): void {
    const known = this.acknowledged.get(verifierId);
    if (known && known.incarnation === incarnation && known.appliedSeq >= appliedSeq) return;
    const ack = { verifierId, incarnation, appliedSeq, at: performance.now() };
    if (this.acknowledged.size >= maxKnown) this.acknowledged.clear();
    this.acknowledged.set(verifierId, ack);
    for (const listener of this.listeners) listener(ack);
    if (tellOthers) this.hints.publish({ ack: { verifierId, incarnation, appliedSeq } });
  }

  private own(verifierId: string, clientId: string): void {
    if (this.owners.size >= maxKnown) this.owners.clear();
    this.owners.set(verifierId, clientId);
  }

  private stopAfter(after: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const letGo = () => {
        clearTimeout(timer);
        this.held.delete(waiting);
        resolve();
      };
      const waiting = { after, letGo };
      const timer = setTimeout(letGo, timeoutMs);
      this.held.add(waiting);
    });
  }
}
