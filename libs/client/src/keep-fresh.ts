import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClaimedSecret, RotationId, TokenId, TokenView } from '@writ/contracts';
import { ProblemError, UnreachableError } from './http.js';
import { nextStep, type Step } from './next-step.js';
import type { ClaimNote, SecretStore } from './secret-store.js';
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
  /** Told of an outage, also of whoever renews the bearer, or a refused claim; the next look tries again. */
  onTrouble?: (error: Error) => void;
  /** Between two looks, in milliseconds; 10 s by default. A rotation's claim time is far longer. */
  pollMs?: number;
  /** Ends the watch. */
  signal?: AbortSignal;
}

const usualPollMs = 10_000;
/** Refusals of a claim that no repetition changes. */
const finalCodes = new Set(['token-ended', 'delivered-sealed', 'secret-retired', 'claim-lapsed', 'already-claimed', 'claimed-twice']);

/**
 * Keeps a token's secret fresh for a long-running consumer: claims the first secret and each successor of a rotation,
 * stores it durably before anything else happens, and forgets the one before only when the platform has seen the new one
 * in use. Both are valid until then, so calls under way do not fail. One watcher for each token: a second one would claim
 * as another session, which the issuer answers by ending the token.
 *
 * Resolves when the token has ended or the signal aborts. @throws what the store throws, ProblemError where the caller may
 * not see the token, and what keeps the first call from proving who calls; once one was answered, that may pass.
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

/** A call that got no answer for a reason that may pass. */
class Unanswered extends Error {
  constructor(readonly why: Error) {
    super(why.message, { cause: why });
  }
}

class Watcher {
  private unannounced: ClaimedSecret | undefined;
  private wasAnswered = false;
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
      if (!(error instanceof Unanswered)) throw error;
      this.options.onTrouble?.(error.why);
    }
    return undefined;
  }

  private async seen(): Promise<Parameters<typeof nextStep>[0]> {
    const { tokenId, store, writ } = this.options;
    const token = await this.ask(writ.issuer.get<TokenView>(`/v1/tokens/${tokenId}`));
    return { token, hasSecret: (await store.current()) !== undefined, claim: await store.noted() };
  }

  private async claim(rotationId: RotationId | undefined): Promise<void> {
    const { store, writ } = this.options;
    const tokenId = this.options.tokenId as TokenId;
    const noted = await store.noted();
    const claim = noted && !noted.done ? noted : { tokenId, rotationId, key: randomUUID() };
    // Written down before it is made: if the answer is lost, with us or on its way, the same key asks again.
    if (claim !== noted) await store.note(claim);
    let claimed: ClaimedSecret;
    try {
      claimed = await this.ask(writ.issuer.post<ClaimedSecret>(`/v1/tokens/${tokenId}/claim`, { body: rotationId ? { rotationId } : {}, idempotencyKey: claim.key }));
    } catch (error) {
      const code = error instanceof Unanswered && error.why instanceof ProblemError ? error.why.code : '';
      if (finalCodes.has(code)) await this.giveUp(claim, code);
      throw error;
    }
    await store.put(claimed.secret);
    await store.note({ ...claim, done: true });
    this.unannounced = claimed;
    this.busy = true;
    await this.announce();
  }

  /**
   * A final no. A successor whose answer was lost for good is stopped, so that the old secret lives on. A crash may have
   * come after it was stored and before that was noted: then the old one is put back, or, where the successor is in use
   * already, it stays; the next look at the token shows how it ended.
   */
  private async giveUp(claim: ClaimNote, code: string): Promise<void> {
    const { store } = this.options;
    if (claim.rotationId === undefined || (code === 'already-claimed' && !(await this.isStopped(claim.rotationId)))) return store.note({ ...claim, done: true });
    await this.conclude('revert');
  }

  /** @returns false where it could no longer be stopped */
  private async isStopped(rotationId: RotationId): Promise<boolean> {
    try {
      await this.ask(this.options.writ.rotation.post(`/v1/rotations/${rotationId}/stop`, { body: { reason: 'the answer to the claim was lost' } }));
      return true;
    } catch (error) {
      if (error instanceof Unanswered && error.why instanceof ProblemError && error.why.status === 409) return false;
      throw error;
    }
  }

  /** Twice is as good as once: a crash in between leads here again. */
  private async conclude(how: 'settle' | 'revert'): Promise<void> {
    await this.options.store[how]();
    await this.options.store.note(undefined);
    this.busy = true;
  }

  private async announce(): Promise<void> {
    if (!this.unannounced) return;
    const { tokenId, generation, expiresAt } = this.unannounced;
    await this.options.onFresh?.({ tokenId, generation, expiresAt });
    this.unannounced = undefined;
  }

  /** What time may heal is told apart from what the caller has to know. @throws Unanswered for the former */
  private async ask<Answer>(call: Promise<Answer>): Promise<Answer> {
    try {
      const answer = await call;
      this.wasAnswered = true;
      return answer;
    } catch (error) {
      if (isPassing(error, this.wasAnswered)) throw new Unanswered(error);
      throw error;
    }
  }
}

/** No answer, overload, a claim that was refused; and, once the caller's proof was good, whatever kept it from being renewed. */
function isPassing(error: unknown, wasAnswered: boolean): error is Error {
  if (error instanceof ProblemError) return error.status >= 500 || error.status === 429 || error.status === 409 || error.status === 401;
  return error instanceof UnreachableError || (wasAnswered && error instanceof Error);
}
