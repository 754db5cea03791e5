import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { IssuerError, type IssuerClient } from './issuer-client.js';
import type { LeaseAsk, RegisterAsk } from './fleet-messages.js';
import { now } from './now.js';
import type { VerifierState } from './verifier-state.js';
import { readGrant, readRegistration } from './wire.js';

// Shares of a lease. Asking anew well before the end leaves room for one lost ask.
const holdShare = 0.4;
const patienceShare = 0.2;
const registerTimeoutMs = 2000;
const firstPauseMs = 50;
const lastPauseMs = 500;

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
        if (!joined) await this.#join();
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
    const { leaseMs } = this.state;
    const ask: LeaseAsk = this.state.ask(randomBytes(9).toString('base64url'), now(), this.#holdMs);
    const answer = await this.client.send('POST', '/v1/fleet/lease', ask, this.#holdMs + Math.ceil(leaseMs * patienceShare));
    const outcome = this.state.granted(readGrant(answer));
    if (outcome === 'rejoin') return false;
    // Nothing is held back while behind; under a fresh lease the issuer may wait for news.
    this.#holdMs = outcome === 'leased' ? Math.floor(leaseMs * holdShare) : 0;
    if (outcome === 'leased') this.events.leased();
    return true;
  }

  async #pause(retryAfterMs: number | undefined): Promise<void> {
    // The next ask must be answered at once: the lease has been running meanwhile.
    this.#holdMs = 0;
    const pauseMs = retryAfterMs ?? this.#pauseMs * (0.5 + Math.random() / 2);
    this.#pauseMs = Math.min(lastPauseMs, this.#pauseMs * 2);
    await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  /** Stops answering, then tells the issuer, so that no revocation waits for this verifier. */
  async close(): Promise<void> {
    this.#stop.abort();
    const { verifierId } = this.state;
    this.state.voidLease();
    if (verifierId === '') return;
    await this.client.send('DELETE', `/v1/fleet/verifiers/${encodeURIComponent(verifierId)}`, {}, registerTimeoutMs).catch((error: unknown) => {
      if (!(error instanceof IssuerError)) throw error;
      this.events.failed(error);
    });
  }
}
