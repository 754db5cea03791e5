import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { IssuerError, type IssuerClient } from './issuer-client.js';
import type { LeaseAsk, RegisterAsk } from './fleet-messages.js';
import { now } from './now.js';
import type { VerifierState } from './verifier-state.js';
import { readGrant, readRegistration } from './wire.js';

const holdShare = 0.25;
const patienceShare = 0.2;
const leastPatienceMs = 100;
const registerTimeoutMs = 2000;
export const firstPauseMs = 50;
const lastPauseMs = 500;

/**
 * How long an ask may be held, and how long its answer is waited for beyond that. A lease runs from when its ask was
 * sent. So one ask may be lost: the next held one, its patience, a pause and the patience of a third are over before the
 * first one's lease is. With leases below half a second answers need the time more than a second try does.
 */
export function timesOf(leaseMs: number): { holdMs: number; patienceMs: number } {
  return { holdMs: Math.floor(leaseMs * holdShare), patienceMs: Math.max(leastPatienceMs, Math.ceil(leaseMs * patienceShare)) };
}

export interface FleetEvents {
  /** A lease has begun or gone on. */
  leased(): void;
  /** The issuer cannot be heard, or refuses; the lease runs out by itself if this goes on. */
  failed(error: IssuerError): void;
}

/** Keeps a verifier registered and under lease: one ask is always under way, held by the issuer until there is news. */
export class FleetConnection {
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #joining: Promise<void> | undefined;
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
    let joined = false;
    while (!this.#stop.signal.aborted) {
      try {
        if (!joined) await (this.#joining = this.#join());
        if (this.#stop.signal.aborted) return;
        joined = await this.#ask();
        this.#pauseMs = firstPauseMs;
      } catch (error) {
        if (!(error instanceof IssuerError)) throw error;
        if (error.problem === 'rejoin') joined = false;
        // The log is behind us: it lost entries, or this is a stale copy. No yes until the issuer has settled it.
        if (error.problem === 'ahead') this.state.voidLease();
        if (this.#stop.signal.aborted) return;
        this.events.failed(error);
        await this.#pause(error.retryAfterMs);
      }
    }
  }

  async #join(): Promise<void> {
    const ask: RegisterAsk = { name: this.name, leaseMs: this.leaseMs };
    this.state.joined(readRegistration(await this.client.send('POST', '/v1/fleet/verifiers', ask, registerTimeoutMs)));
    this.#holdMs = 0;
  }

  #holdMs = 0;

  /** @returns whether the registration still stands. */
  async #ask(): Promise<boolean> {
    const { holdMs, patienceMs } = timesOf(this.state.leaseMs);
    const ask: LeaseAsk = this.state.ask(randomBytes(9).toString('base64url'), now(), this.#holdMs);
    const answer = await this.client.send('POST', '/v1/fleet/lease', ask, this.#holdMs + patienceMs);
    const outcome = this.state.granted(readGrant(answer));
    if (outcome === 'rejoin') return false;
    // Nothing is held back while behind; under a fresh lease the issuer may wait for news.
    this.#holdMs = outcome === 'leased' ? holdMs : 0;
    if (outcome === 'leased') this.events.leased();
    return true;
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
