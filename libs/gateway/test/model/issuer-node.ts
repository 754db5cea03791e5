import { createHash } from 'node:crypto';
import type { StateEntry, StateKind } from '@writ/token';
import type { LeaseAsk, LeaseGrant, LeaseRefusal, Registration } from '../../src/fleet-messages.js';
import { covers, fenceOf, grantedLeaseMs, grantLease, leaseOverBy, defaultFenceBounds, type Acknowledgement, type FenceMember } from '../../src/fence.js';
import type { CachedState, CachedToken } from '../../src/token-cache.js';

export const databaseEpochMs = Date.UTC(2026, 0, 1);
const entriesPerGrant = 2;

export type Bug =
  | 'lease-from-arrival' | 'timer-flag' | 'joins-running-read' | 'skips-gap' | 'acknowledges-before-applying'
  | 'lease-while-behind' | 'keeps-old-read' | 'trusts-one-clock' | 'wall-clock-expiry' | 'lists-before-commit'
  | 'answers-straight' | 'forgets-retired' | 'keeps-cache-over-joins' | 'acknowledges-for-silent';

export interface TruthToken {
  readonly tokenId: string;
  readonly digest: string;
  readonly owner: string;
  readonly expiresAtMs: number;
  state: CachedState;
  /** Truth by incarnation and place in the log, ascending. */
  readonly history: { readonly incarnation: string; readonly seq: number; readonly state: CachedState }[];
}

interface Row extends FenceMember {
  retiredAt?: number;
}

interface Fence {
  readonly seq: number;
  readonly incarnation: string;
  readonly committedBy: number;
  readonly members: readonly FenceMember[] | undefined;
  readonly stopped: readonly TruthToken[];
  /** Commits there were when the stop was committed: a resume counts as an undo only if it came after. */
  readonly order: number;
}

/** A stop whose revoke call has returned: from then on no call that begins may be told VALID. */
export interface ReturnedStop {
  readonly token: TruthToken;
  readonly order: number;
  readonly returnedAt: number;
}

/** The issuer and its database as the model sees them. True time is the simulation's; its own clock drifts. */
export class IssuerNode {
  mono = 0;
  incarnation = 'i1';
  readonly incarnations = [this.incarnation];
  head = 0;
  log: StateEntry[] = [];
  readonly commits: { readonly at: number; readonly incarnation: string; readonly seq: number; readonly tokens: readonly TruthToken[]; readonly kind: StateKind }[] = [];
  readonly returned: ReturnedStop[] = [];
  readonly receipts: { readonly outcome: string; readonly verifierId: string; readonly seq: number; readonly incarnation: string }[] = [];
  readonly tokens: TruthToken[] = [];
  #rows: Row[] = [];
  #earlierRows: FenceMember[] = [];
  #acknowledgements = new Map<string, Acknowledgement>();
  #fences: Fence[] = [];
  #ids = 0;

  constructor(private readonly bugs: ReadonlySet<Bug>) {}

  issue(place: number, owner: string, expiresAtMs: number, now: number): void {
    const tokenId = `tok_${++this.#ids}`;
    const digest = createHash('sha256').update(tokenId).digest().toString('latin1');
    const token: TruthToken = { tokenId, digest, owner, expiresAtMs, state: 'VALID', history: [] };
    this.tokens[place] = token;
    this.#commit('issue', [token], now, { tokenId });
  }

  /** Stops a token, an owner's tokens or all, and begins the fence whose end is the call's return. */
  stop(kind: 'revoke' | 'suspend' | 'epoch', stopped: readonly TruthToken[], now: number, about: Partial<StateEntry>, doubtful: boolean): void {
    for (const token of stopped) token.state = kind === 'suspend' && token.state === 'VALID' ? 'SUSPENDED' : kind === 'suspend' ? token.state : 'REVOKED';
    this.#commit(kind, stopped, now, about);
    this.#fence(stopped, doubtful);
  }

  resume(token: TruthToken, now: number): void {
    if (token.state !== 'SUSPENDED') return;
    token.state = 'VALID';
    this.#commit('resume', [token], now, { tokenId: token.tokenId });
  }

  #commit(kind: StateKind, tokens: readonly TruthToken[], now: number, about: Partial<StateEntry>): void {
    const seq = ++this.head;
    this.log.push({ seq, kind, at: timeText(now), reasonCode: 'model', ...about });
    for (const token of tokens) token.history.push({ incarnation: this.incarnation, seq, state: token.state });
    this.commits.push({ at: now, incarnation: this.incarnation, seq, tokens, kind });
  }

  #fence(stopped: readonly TruthToken[], doubtful: boolean, order = this.commits.length): void {
    const members = doubtful ? undefined : this.bugs.has('lists-before-commit') ? this.#earlierRows : this.#list();
    this.#fences.push({ seq: this.head, incarnation: this.incarnation, committedBy: this.mono, members, stopped, order });
  }

  // Retired rows stay listed while a lease granted before their retirement may live.
  #list(): FenceMember[] {
    return this.#rows.filter(({ retiredAt, leaseMs }) => retiredAt === undefined
      || (!this.bugs.has('forgets-retired') && this.mono < leaseOverBy(retiredAt, leaseMs, defaultFenceBounds)));
  }

  register(name: string, askedMs: number): Registration {
    const leaseMs = grantedLeaseMs(askedMs);
    this.#rows.push({ verifierId: `ver_${++this.#ids}`, name, leaseMs });
    return { verifierId: this.#rows.at(-1)!.verifierId, leaseMs, incarnation: this.incarnation, headSeq: this.head };
  }

  retire(verifierId: string): void {
    const row = this.#rows.find((one) => one.verifierId === verifierId);
    if (row) row.retiredAt ??= this.mono;
  }

  ask(ask: LeaseAsk, now: number): LeaseGrant | LeaseRefusal {
    this.acknowledge(ask.verifierId, ask.incarnation, ask.appliedSeq);
    const registered = this.#rows.some(({ verifierId, retiredAt }) => verifierId === ask.verifierId && retiredAt === undefined);
    const first = this.log.findIndex(({ seq }) => seq > ask.appliedSeq);
    const entries = first < 0 ? [] : this.log.slice(first, first + entriesPerGrant);
    return grantLease(ask, { registered, incarnation: this.incarnation, headSeq: this.head, databaseTime: timeText(now), entries });
  }

  acknowledge(verifierId: string, incarnation: string, appliedSeq: number): void {
    if (!covers(this.#acknowledgements.get(verifierId), appliedSeq, incarnation)) this.#acknowledgements.set(verifierId, { verifierId, incarnation, appliedSeq, at: this.mono });
  }

  read(digest: string): { token: CachedToken; seq: number; incarnation: string } {
    const token = this.tokens.find((one) => one.digest === digest) ?? this.#past(digest);
    const grant = { audience: 'orders', environment: 'dev', scopes: ['orders:read'] };
    return { token: { state: token.state, tokenId: token.tokenId, owner: token.owner, expiresAtMs: token.expiresAtMs, grant }, seq: this.head, incarnation: this.incarnation };
  }

  #past(digest: string): TruthToken {
    return this.commits.flatMap(({ tokens }) => tokens).find((one) => one.digest === digest)!;
  }

  /** A crash loses what is in memory: acknowledgements and fences. Callers repeat, and so repeat the fence. */
  restart(): void {
    this.#acknowledgements.clear();
    this.#refence();
  }

  /** The log may have lost entries: numbers start again lower, states are carried over, nobody may trust the old ones. */
  newIncarnation(): void {
    this.incarnation = `i${++this.#ids}`;
    this.incarnations.push(this.incarnation);
    this.head = Math.max(0, this.head - 2);
    this.log = [];
    for (const token of new Set([...this.tokens, ...this.commits.flatMap(({ tokens }) => tokens)])) {
      token.history.push({ incarnation: this.incarnation, seq: this.head, state: token.state });
    }
    this.#refence();
  }

  #refence(): void {
    const open = this.#fences;
    this.#fences = [];
    for (const { stopped, order } of open) this.#fence(stopped, false, order);
  }

  /** Lets every revoke call return whose fence is complete. */
  settle(moment: number): void {
    this.#fences = this.#fences.filter((fence) => {
      const state = fenceOf({ ...fence, acknowledgements: this.#acknowledgements }, this.mono);
      const silentCounts = this.bugs.has('acknowledges-for-silent') && this.mono > fence.committedBy + 5;
      if (!state.done && !silentCounts) return true;
      for (const token of fence.stopped) this.returned.push({ token, order: fence.order, returnedAt: moment });
      for (const receipt of state.receipts) this.receipts.push({ ...receipt, incarnation: fence.incarnation });
      return false;
    });
    this.#earlierRows = this.#fences.length > 0 ? this.#earlierRows : this.#rows.slice(0, -1);
  }
}

export function timeText(now: number): string {
  return new Date(databaseEpochMs + Math.floor(now)).toISOString();
}
