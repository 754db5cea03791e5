import { answerFromMemory } from '../../src/answer.js';
import type { VerifyAnswer } from '../../src/answers.js';
import type { LeaseAsk, LeaseGrant, LeaseRefusal, Registration } from '../../src/fleet-messages.js';
import { ReadQueue } from '../../src/read-queue.js';
import type { CachedToken } from '../../src/token-cache.js';
import { VerifierState, type Clocks } from '../../src/verifier-state.js';
import type { Bug, TruthToken } from './issuer-node.js';

export interface Call {
  readonly token: TruthToken;
  readonly beganAt: number;
  readonly minSeq?: number;
}

export type Message =
  | { readonly kind: 'register'; readonly from: VerifierNode; readonly life: number }
  | { readonly kind: 'registered'; readonly to: VerifierNode; readonly life: number; readonly body: Registration }
  | { readonly kind: 'ask'; readonly from: VerifierNode; readonly life: number; readonly body: LeaseAsk }
  | { readonly kind: 'grant'; readonly to: VerifierNode; readonly life: number; readonly body: LeaseGrant | LeaseRefusal }
  | { readonly kind: 'acknowledge'; readonly verifierId: string; readonly incarnation: string; readonly appliedSeq: number }
  | { readonly kind: 'leave'; readonly verifierId: string }
  | { readonly kind: 'read'; readonly from: VerifierNode; readonly life: number; readonly digest: string; readonly calls: readonly Call[] }
  | { readonly kind: 'facts'; readonly to: VerifierNode; readonly life: number; readonly digest: string; readonly calls: readonly Call[]; readonly facts: { token: CachedToken; seq: number; incarnation: string } };

export interface World {
  send(message: Message): void;
  answered(node: VerifierNode, call: Call, answer: VerifyAnswer | { readonly code: string; readonly valid: boolean }): void;
}

/** The seeded bug of joining a read that runs already. */
class LateJoiningQueue<C> extends ReadQueue<C> {
  readonly #running = new Map<string, C[]>();

  override join(digest: string, call: C): void {
    const running = this.#running.get(digest);
    if (running) running.push(call);
    else super.join(digest, call);
  }

  override begin(limit: number): ReadonlyMap<string, readonly C[]> {
    const batch = super.begin(limit);
    for (const [digest, calls] of batch) this.#running.set(digest, calls as C[]);
    return batch;
  }

  ended(digest: string): void {
    this.#running.delete(digest);
  }
}

/** One verifier: the product's state machine, answer and read queue, with clocks and messages simulated around them. */
export class VerifierNode {
  mono: number;
  wall = 1_700_000_000_000;
  paused = false;
  life = 0;
  leaseFlag = false;
  state = new VerifierState(2);
  #queue: ReadQueue<Call>;
  #late = new LateJoiningQueue<Call>();
  #unapplied: LeaseGrant[] = [];
  #nonces = 0;
  readonly #kept = new Map<string, CachedToken>();

  constructor(readonly name: string, readonly rate: number, private readonly bugs: ReadonlySet<Bug>, private readonly world: World) {
    this.mono = 5000 * rate;
    this.#queue = bugs.has('joins-running-read') ? this.#late : new ReadQueue();
  }

  get clocks(): Clocks {
    return { mono: this.mono, wall: this.bugs.has('trusts-one-clock') ? this.mono : this.wall };
  }

  restart(): void {
    this.life++;
    this.state = new VerifierState(2);
    this.#late = new LateJoiningQueue();
    this.#queue = this.bugs.has('joins-running-read') ? this.#late : new ReadQueue();
    this.#unapplied = [];
    this.leaseFlag = false;
  }

  join(): void {
    this.world.send({ kind: 'register', from: this, life: this.life });
  }

  leave(): void {
    this.state.voidLease();
    this.world.send({ kind: 'leave', verifierId: this.state.verifierId });
  }

  ask(): void {
    if (this.state.verifierId === '') return;
    this.applyPostponed();
    const nonce = `${this.name}-${this.life}-${++this.#nonces}`;
    const body: LeaseAsk = this.bugs.has('lease-from-arrival')
      ? { verifierId: this.state.verifierId, incarnation: this.state.incarnation, nonce, appliedSeq: this.state.appliedSeq, holdMs: 0 }
      : this.state.ask(nonce, this.clocks, 0);
    this.world.send({ kind: 'ask', from: this, life: this.life, body });
  }

  applyPostponed(): void {
    for (const grant of this.#unapplied.splice(0)) this.#granted(grant);
  }

  receive(message: Message): void {
    if (message.kind === 'registered') this.#joined(message.body);
    else if (message.kind === 'grant') this.#answered(message.body);
    else if (message.kind === 'facts') this.#read(message.digest, message.calls, message.facts);
  }

  #joined(registration: Registration): void {
    this.state.joined(registration);
    if (!this.bugs.has('keeps-cache-over-joins')) return;
    for (const [digest, token] of this.#kept) this.state.cache.put(digest, token, registration.headSeq);
  }

  #answered(body: LeaseGrant | LeaseRefusal): void {
    if (typeof body === 'string') {
      this.state.voidLease();
      if (body === 'rejoin') this.join();
      return;
    }
    if (this.bugs.has('acknowledges-before-applying')) {
      this.world.send({ kind: 'acknowledge', verifierId: this.state.verifierId, incarnation: body.incarnation, appliedSeq: body.headSeq });
      this.#unapplied.push(body);
    } else this.#granted(body);
  }

  #granted(grant: LeaseGrant): void {
    if (this.bugs.has('lease-from-arrival')) this.state.ask(grant.nonce, this.clocks, 0);
    const outcome = this.state.granted(this.#distorted(grant));
    if (outcome === 'leased') this.leaseFlag = true;
    if (outcome === 'behind') this.ask();
    if (outcome === 'rejoin') this.join();
    if (outcome !== 'leased' || this.bugs.has('acknowledges-before-applying')) return;
    this.world.send({ kind: 'acknowledge', verifierId: this.state.verifierId, incarnation: this.state.incarnation, appliedSeq: this.state.appliedSeq });
  }

  #distorted(grant: LeaseGrant): LeaseGrant {
    if (this.bugs.has('lease-while-behind')) return { ...grant, headSeq: grant.entries.at(-1)?.seq ?? grant.headSeq };
    if (!this.bugs.has('skips-gap')) return grant;
    const known = new Map(grant.entries.map((entry) => [entry.seq, entry]));
    const from = this.state.appliedSeq + 1;
    const entries = Array.from({ length: Math.max(0, grant.headSeq - from + 1) }, (_, i) => known.get(from + i) ?? { seq: from + i, kind: 'issue' as const, at: '', reasonCode: '' });
    return { ...grant, entries };
  }

  call(call: Call): void {
    const answer = this.#fromMemory(call);
    if (answer) this.world.answered(this, call, answer);
    else this.#queue.join(call.token.digest, call);
  }

  #fromMemory(call: Call): VerifyAnswer | undefined {
    const wanted = { minSeq: call.minSeq };
    if (this.bugs.has('timer-flag')) return this.leaseFlag ? this.#underFlag(call) : undefined;
    const answer = answerFromMemory(this.state, call.token.digest, wanted, this.clocks.mono, this.clocks.wall);
    if (this.bugs.has('wall-clock-expiry') && answer?.code === 'EXPIRED' && this.wall - 1_700_000_000_000 + Date.UTC(2026, 0, 1) < call.token.expiresAtMs) return { ...answer, code: 'VALID', valid: true };
    return answer;
  }

  // A lease that a timer switches off: while the process stands still, so does the timer.
  #underFlag(call: Call): VerifyAnswer | undefined {
    const { cache } = this.state;
    const slot = cache.find(call.token.digest);
    if (slot < 0) return undefined;
    const code = cache.state(slot);
    return { valid: code === 'VALID', code, asOf: this.state.asOf, seq: Math.max(this.state.appliedSeq, cache.asOf(slot)), maxStalenessMs: 1e9 };
  }

  sendReads(): void {
    for (const [digest, calls] of this.#queue.begin(10)) this.world.send({ kind: 'read', from: this, life: this.life, digest, calls });
  }

  #read(digest: string, calls: readonly Call[], facts: { token: CachedToken; seq: number; incarnation: string }): void {
    this.#late.ended(digest);
    this.#kept.set(digest, facts.token);
    if (this.bugs.has('answers-straight')) return this.#straight(calls, facts.token);
    const seq = this.bugs.has('keeps-old-read') ? Math.max(facts.seq, this.state.appliedSeq) : facts.seq;
    const admitted = this.state.admit({ digest, ...facts, seq }, this.clocks);
    for (const call of calls) {
      const answer = admitted === 'kept' ? this.#fromMemory(call) : undefined;
      if (answer) this.world.answered(this, call, answer);
      else if (admitted === 'stale') this.#queue.join(digest, call);
      else this.world.answered(this, call, { code: admitted === 'kept' ? 'STALE' : 'UNAVAILABLE', valid: false });
    }
  }

  // Answering callers straight from a read is sound only while nobody joins a read that has begun.
  #straight(calls: readonly Call[], { state }: CachedToken): void {
    for (const call of calls) this.world.answered(this, call, { valid: state === 'VALID', code: state });
  }
}
