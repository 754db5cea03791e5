import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClaimedSecret, RotationId, TokenId, TokenView } from '@writ/contracts';
import { ProblemError, UnreachableError } from './http.js';
import { nextStep, type Step } from './next-step.js';
import type { SecretStore } from './secret-store.js';
import type { Writ } from './writ.js';

export interface KeepFreshOptions {
  tokenId: string;
  /** The platform, called as the token's claimant; `writAs` renews a bearer that runs out. */
  writ: Writ;
  /** Where the secret lives: `fileStore`, `callbackStore`, `environmentStore`, or your own. */
  store: SecretStore;
  /** Called once a new secret is stored: reload a configuration, restart a process. Repeated after a failure. */
  onFresh?: (fresh: { tokenId: string; generation: number; expiresAt: string }) => void | Promise<void>;
  /** Told of every step, for logs; never of a secret. */
  onStep?: (step: Step) => void;
  /** Told of an outage or a refused claim; the next look tries again. */
  onTrouble?: (error: Error) => void;
  /** Between two looks, in milliseconds; 10 s by default. A rotation's claim time is far longer. */
  pollMs?: number;
  /** Ends the watch. */
  signal?: AbortSignal;
}

const usualPollMs = 10_000;

/**
 * Keeps a token's secret fresh for a long-running consumer: claims the first secret and each successor of a rotation,
 * stores it durably before anything else happens, and forgets the one before only when the platform has seen the new one
 * in use. Both are valid until then, so calls under way do not fail. One watcher for each token: a second one would claim
 * as another session, which the issuer answers by ending the token.
 *
 * Resolves when the token has ended or the signal aborts. @throws what the store throws, and ProblemError where the
 * caller may not see the token.
 */
export async function keepFresh(options: KeepFreshOptions): Promise<'revoked' | 'expired' | 'aborted'> {
  const watcher = new Watcher(options);
  while (!options.signal?.aborted) {
    const ended = await watcher.look();
    if (ended) return ended;
    await pause(watcher.busy ? 0 : (options.pollMs ?? usualPollMs), undefined, { signal: options.signal }).catch(() => undefined);
  }
  return 'aborted';
}

class Watcher {
  private unannounced: ClaimedSecret | undefined;
  /** Whether the last look changed something, so that the next one should follow at once. */
  busy = false;

  constructor(private readonly options: KeepFreshOptions) {}

  async look(): Promise<'revoked' | 'expired' | undefined> {
    this.busy = false;
    try {
      await this.announce();
      const step = nextStep(await this.seen());
      this.options.onStep?.(step);
      if (step.do === 'end') return step.why;
      if (step.do === 'claim') await this.claim(step.rotationId);
      if (step.do === 'settle' || step.do === 'revert') await this.conclude(step.do);
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.options.onTrouble?.(error);
    }
    return undefined;
  }

  private async seen(): Promise<Parameters<typeof nextStep>[0]> {
    const { tokenId, store, writ } = this.options;
    const token = await writ.issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
    return { token, hasSecret: (await store.current()) !== undefined, claim: await store.noted() };
  }

  private async claim(rotationId: RotationId | undefined): Promise<void> {
    const { store, writ } = this.options;
    const tokenId = this.options.tokenId as TokenId;
    const noted = await store.noted();
    const claim = noted && !noted.done ? noted : { tokenId, rotationId, key: randomUUID() };
    // Written down before it is made: if the answer is lost, with us or on its way, the same key asks again.
    if (claim !== noted) await store.note(claim);
    try {
      const claimed = await writ.issuer.post<ClaimedSecret>(`/v1/tokens/${tokenId}/claim`, { body: rotationId ? { rotationId } : {}, idempotencyKey: claim.key });
      await store.put(claimed.secret);
      await store.note({ ...claim, done: true });
      this.unannounced = claimed;
      this.busy = true;
      await this.announce();
    } catch (error) {
      if (error instanceof ProblemError && error.status === 409) await this.giveUp(rotationId, error.code);
      throw error;
    }
  }

  /** A final no. Where the answer was lost for good, the successor that nobody has is stopped, so that the old secret lives on. */
  private async giveUp(rotationId: RotationId | undefined, code: string): Promise<void> {
    if (rotationId && code === 'already-claimed') {
      await this.options.writ.rotation.post(`/v1/rotations/${rotationId}/stop`, { body: { reason: 'the answer to the claim was lost' } });
    }
    await this.options.store.note(undefined);
  }

  /** Twice is as good as once: a crash in between leads here again. */
  private async conclude(how: 'settle' | 'revert'): Promise<void> {
    await this.options.store[how]();
    await this.options.store.note(undefined);
  }

  private async announce(): Promise<void> {
    if (!this.unannounced) return;
    const { tokenId, generation, expiresAt } = this.unannounced;
    await this.options.onFresh?.({ tokenId, generation, expiresAt });
    this.unannounced = undefined;
  }
}

/** What time may heal: no answer, overload, a claim that was refused; anything else is the caller's to know. */
function isPassing(error: unknown): error is Error {
  if (error instanceof UnreachableError) return true;
  return error instanceof ProblemError && (error.status >= 500 || error.status === 429 || error.status === 409 || error.status === 401);
}
