import { answerFromMemory, type Wanted } from './answer.js';
import type { VerifyAnswer } from './answers.js';
import type { BatchItem } from './fleet-messages.js';
import { IssuerError, type IssuerClient } from './issuer-client.js';
import { now } from './now.js';
import { ReadQueue } from './read-queue.js';
import type { CachedToken } from './token-cache.js';
import type { VerifierState } from './verifier-state.js';
import { cacheableToken, readBatch } from './wire.js';

const batchLimit = 1000;
const maxBatchesUnderWay = 4;
const retryPauseMs = 25;

const maxWaitingCalls = 50_000;

/** A call that memory could not answer. It ends once: with an answer, or at its deadline without one. */
interface WaitingCall {
  readonly wanted: Wanted;
  readonly end: (answer: VerifyAnswer | undefined) => void;
  ended: boolean;
}

interface ReadAnswer {
  readonly answer: VerifyAnswer;
  readonly token: CachedToken | undefined;
}

/**
 * Reads what memory does not hold, many tokens per request. Calls wait in the queue of their `minSeq`:
 * one caller asking for the future must not turn the others' answers into STALE.
 */
export class TokenReader {
  readonly #queues = new Map<number, ReadQueue<WaitingCall>>();
  #scheduled = false;
  #underWay = 0;
  #notBefore = 0;
  #waiting = 0;
  #prunedAt = 0;

  constructor(
    private readonly client: IssuerClient,
    private readonly state: VerifierState,
    private readonly timeoutMs: number,
    private readonly failed: (error: IssuerError) => void,
  ) {}

  /** Reads one token; undefined when there was no answer in time, or too many calls wait already. */
  read(digest: string, wanted: Wanted): Promise<VerifyAnswer | undefined> {
    if (this.#waiting >= maxWaitingCalls) return Promise.resolve(undefined);
    this.#waiting++;
    return new Promise((resolve) => {
      const end = (answer: VerifyAnswer | undefined) => {
        if (call.ended) return;
        call.ended = true;
        this.#waiting--;
        clearTimeout(timer);
        resolve(answer);
      };
      const timer = setTimeout(end, this.timeoutMs, undefined);
      const call: WaitingCall = { wanted, end, ended: false };
      this.#join(digest, call);
    });
  }

  #join(digest: string, call: WaitingCall): void {
    const minSeq = call.wanted.minSeq ?? 0;
    let queue = this.#queues.get(minSeq);
    if (!queue) this.#queues.set(minSeq, queue = new ReadQueue());
    queue.join(digest, call);
    this.schedule();
  }

  /** Starts reading after this turn of the event loop, so that all calls of the turn share a request. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const pause = this.#notBefore - now().mono;
    if (pause > 0) setTimeout(() => this.#begin(), pause);
    else setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#scheduled = false;
    const { mono, wall } = now();
    this.#prune(mono);
    for (const [minSeq, queue] of this.#queues) {
      // Without a lease an answer could not be believed on arrival; calls wait for it up to their deadline.
      while (queue.size > 0 && this.#underWay < maxBatchesUnderWay && this.state.mayAnswer(mono, wall)) {
        void this.#read(minSeq, queue.begin(batchLimit));
      }
      if (queue.size === 0) this.#queues.delete(minSeq);
    }
  }

  // Calls past their deadline have ended by their own timer; without a lease nothing else takes them from the queue.
  #prune(mono: number): void {
    if (mono - this.#prunedAt < this.timeoutMs / 2) return;
    this.#prunedAt = mono;
    for (const queue of this.#queues.values()) queue.prune(({ ended }) => !ended);
  }

  async #read(minSeq: number, batch: ReadonlyMap<string, readonly WaitingCall[]>): Promise<void> {
    this.#underWay++;
    const begun = now().mono;
    const digests = [...batch.keys()];
    try {
      const tokens: BatchItem[] = digests.map((digest) => ({ digest: Buffer.from(digest, 'latin1').toString('base64url') }));
      const body = minSeq === 0 ? { tokens } : { tokens, minSeq };
      const { incarnation, results } = readBatch(await this.client.send('POST', '/v1/tokens/verify-batch', body, this.timeoutMs), digests.length);
      // All are read before any call ends: an unreadable one fails the batch as a whole, and nobody is answered twice.
      const read = results.map((answer) => ({ answer, token: cacheableToken(answer) }));
      for (const [i, digest] of digests.entries()) this.#arrived(digest, batch.get(digest)!, read[i]!, incarnation, begun);
    } catch (error) {
      if (!(error instanceof IssuerError)) throw error;
      this.failed(error);
      this.#notBefore = now().mono + (error.retryAfterMs ?? retryPauseMs);
      for (const [digest, calls] of batch) this.#again(digest, calls);
    } finally {
      this.#underWay--;
      if (this.#queues.size > 0) this.schedule();
    }
  }

  /** Ends the calls that waited for one token, with no await between looking at the clocks and answering. */
  #arrived(digest: string, calls: readonly WaitingCall[], { answer, token }: ReadAnswer, incarnation: string, begun: number): void {
    const clocks = now();
    if (!token) {
      // A code that this version does not know is no yes, whatever came with it.
      const passed = { ...answer, valid: false, maxStalenessMs: answer.maxStalenessMs + Math.ceil(clocks.mono - begun) };
      for (const call of calls) call.end(passed);
      return;
    }
    if (this.state.admit({ digest, token, seq: answer.seq, incarnation }, clocks) !== 'kept') {
      this.#again(digest, calls);
      return;
    }
    for (const call of calls) {
      const own = answerFromMemory(this.state, digest, call.wanted, clocks.mono, clocks.wall);
      call.end(own ?? { valid: false, code: 'STALE', asOf: this.state.asOf, seq: this.state.appliedSeq, maxStalenessMs: this.state.stalenessMs(clocks.mono, clocks.wall) });
    }
  }

  #again(digest: string, calls: readonly WaitingCall[]): void {
    for (const call of calls) if (!call.ended) this.#join(digest, call);
  }

  /** Ends every waiting call without an answer. */
  close(): void {
    for (const queue of this.#queues.values()) for (const calls of queue.begin(Infinity).values()) calls.forEach((call) => call.end(undefined));
    this.#queues.clear();
  }
}
