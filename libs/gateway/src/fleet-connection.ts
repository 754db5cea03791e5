import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { IssuerError, type IssuerClient } from './issuer-client.js';
import type { LeaseAsk, RegisterAsk } from './fleet-messages.js';
import { now } from './now.js';
import type { VerifierState } from './verifier-state.js';
import { readGrant, readRegistration } from './wire.js';

const holdShare = 0.25;
const lateShare = 0.1;
const leastLateMs = 50;
/** Late asks that are still waited for: enough for an answer that takes half a lease, few enough for an issuer in trouble. */
const mostLate = 3;
const registerTimeoutMs = 2000;
export const firstPauseMs = 50;
const lastPauseMs = 500;

/**
 * How long an ask may be held, and how much later its answer is late. A lease runs from when its ask was sent: held, late,
 * and then asked once more, an answer may take half a lease without an end to answering from memory.
 */
export function timesOf(leaseMs: number): { holdMs: number; lateMs: number } {
  return { holdMs: Math.floor(leaseMs * holdShare), lateMs: Math.max(leastLateMs, Math.ceil(leaseMs * lateShare)) };
}

type Outcome = ReturnType<VerifierState['granted']>;

export interface FleetEvents {
  /** A lease has begun or gone on. */
  leased(): void;
  /** The issuer cannot be heard, or refuses; the lease runs out by itself if this goes on. */
  failed(error: IssuerError): void;
}

/**
 * Keeps a verifier registered and under lease: one ask is always under way, held by the issuer until there is news. An ask
 * whose answer is late goes on beside the next one: an issuer with much to do answers late, and a late lease is a lease.
 */
export class FleetConnection {
  readonly #stop = new AbortController();
  readonly #late = new Set<Promise<unknown>>();
  /** What failed since the last good answer, until it was paused for; also of a late ask. */
  #failure: IssuerError | undefined;
  #running: Promise<void> | undefined;
  #joining: Promise<void> | undefined;
  #isJoined = false;
  #holdMs = 0;
  #pauseMs = firstPauseMs;

  constructor(
    private readonly client: IssuerClient,
    private readonly state: VerifierState,
    private readonly name: string,
    private readonly leaseMs: number,
    private readonly events: FleetEvents,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await (this.#isJoined ? this.#ask() : this.#join());
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure && !this.#stop.signal.aborted) await this.#pause(failure.retryAfterMs);
    }
  }

  async #join(): Promise<void> {
    const ask: RegisterAsk = { name: this.name, leaseMs: this.leaseMs };
    const answer = this.client.send('POST', '/v1/fleet/verifiers', ask, registerTimeoutMs).then((registration) => {
      this.state.joined(readRegistration(registration));
      this.#isJoined = true;
      this.#holdMs = 0;
    });
    this.#joining = answer;
    await answer.catch((error: unknown) => this.#failed(error));
  }

  /** Returns when the answer has come or is late; after too many late ones, when one of them has come. */
  async #ask(): Promise<void> {
    const { holdMs, lateMs } = timesOf(this.state.leaseMs);
    const answer = this.#send(this.state.ask(randomBytes(9).toString('base64url'), now(), this.#holdMs));
    const word = await within(answer, this.#holdMs + lateMs);
    // Nothing is held back while behind or late; under a fresh lease the issuer may wait for news.
    this.#holdMs = word === 'leased' ? holdMs : 0;
    if (word !== 'late') return;
    const late = answer.finally(() => this.#late.delete(late));
    this.#late.add(late);
    if (this.#late.size >= mostLate) await Promise.race(this.#late);
  }

  /** An answer is of use for as long as its lease would be. */
  #send(ask: LeaseAsk): Promise<Outcome | 'failed'> {
    return this.client.send('POST', '/v1/fleet/lease', ask, this.state.leaseMs).then((answer) => {
      const outcome = this.state.granted(readGrant(answer));
      if (outcome === 'rejoin') this.#isJoined = false;
      if (outcome === 'leased') this.events.leased();
      this.#pauseMs = firstPauseMs;
      this.#failure = undefined;
      return outcome;
    }).catch((error: unknown) => this.#failed(error, ask.verifierId));
  }

  /** What an ask hears that was sent before the verifier registered anew is about another verifier. */
  #failed(error: unknown, verifierId = this.state.verifierId): 'failed' {
    if (!(error instanceof IssuerError)) throw error;
    if (verifierId === this.state.verifierId) {
      if (error.problem === 'rejoin') this.#isJoined = false;
      // The log is behind us: it lost entries, or this is a stale copy. No yes until the issuer has settled it.
      if (error.problem === 'ahead') this.state.voidLease();
    }
    this.#failure = error;
    if (!this.#stop.signal.aborted) this.events.failed(error);
    return 'failed';
  }

  async #pause(retryAfterMs: number | undefined): Promise<void> {
    // The next ask must be answered at once: the lease has been running meanwhile.
    this.#holdMs = 0;
    const pauseMs = Math.max(retryAfterMs ?? 0, this.#pauseMs * (0.5 + Math.random() / 2));
    this.#pauseMs = Math.min(lastPauseMs, this.#pauseMs * 2);
    await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  /** Stops answering, then tells the issuer, so that no revocation waits for this verifier. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.state.voidLease();
    // What is being registered has to take leave too; where it failed there is nothing to take leave of.
    await this.#joining?.catch(() => undefined);
    const { verifierId } = this.state;
    if (verifierId === '') return;
    await this.client.send('DELETE', `/v1/fleet/verifiers/${encodeURIComponent(verifierId)}`, {}, registerTimeoutMs).catch((error: unknown) => {
      if (!(error instanceof IssuerError)) throw error;
      this.events.failed(error);
    });
  }
}

/** What is promised, or `late` where it takes longer. */
async function within<Answer>(answer: Promise<Answer>, ms: number): Promise<Answer | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late');
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
