import { hostname } from 'node:os';
import { innerDigestLatin1, parse } from '@writ/token';
import { budgetOf, Budgets } from './budget.js';
import { answerAt, slotFor, type Wanted } from './answer.js';
import type { TokenFacts, VerifyAnswer, VerifyCode } from './answers.js';
import { FleetConnection } from './fleet-connection.js';
import { IssuerClient, type IssuerError } from './issuer-client.js';
import { TokenReader } from './token-reader.js';
import { UsageBook } from './usage-book.js';
import { UsageUploader } from './usage-uploader.js';
import { VerifierState } from './verifier-state.js';

export interface GatewayOptions {
  /** Where the issuer answers, say `https://issuer.example`. */
  readonly issuerUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Certificate of the authority (PEM) that the issuer's certificate is checked against, where the usual ones do not know it. */
  readonly ca?: string | Buffer;
  /** The audience every call is checked against, unless it names its own. */
  readonly audience?: string;
  /** Tokens kept in memory, about 150 bytes each. Default 100,000. */
  readonly cacheTokens?: number;
  /** How long a call waits at most for a lease and a read. Default 1,000. */
  readonly timeoutMs?: number;
  /** The lease asked for, 350 to 800: a revocation waits so long, at the most, for a verifier that does not answer. Default 800. */
  readonly leaseMs?: number;
  /** Shown in receipts. Default: host name and process id. */
  readonly name?: string;
  /** Interval of usage uploads. Default 1,000. */
  readonly usageIntervalMs?: number;
  /** Hears of every failure to talk to the issuer; calls answer UNAVAILABLE by themselves when it matters. What it throws becomes a warning of the process. */
  readonly onError?: (error: IssuerError) => void;
}

export interface VerifyOptions extends Wanted {
  /** The end client, for usage records and for tokens bound to networks. */
  readonly agent?: string;
}

export interface GatewayStatus {
  /** Whether calls are answered from memory right now. */
  readonly underLease: boolean;
  readonly verifierId: string;
  readonly appliedSeq: number;
  readonly asOf: string;
  readonly cachedTokens: number;
  readonly lastError: IssuerError | undefined;
}

/** A secret is at most this long; what is longer is refused unread. */
const maxTokenLength = 71;
// Cheap look at the fifth character, `writ_`: most junk is not worth a hash.
const prefixEnd = 4;
const underscore = 0x5f;
const never = '1970-01-01T00:00:00.000Z';
const nothingWanted: VerifyOptions = {};
const maxUsageRecords = 100_000;

/**
 * Verifies tokens in this process, from memory where the fleet protocol allows it. Under lease an answer
 * is never older than its `maxStalenessMs`, and a token whose revocation has returned is never VALID.
 * Fails closed: without a lease, or an issuer that answers in time, the code is UNAVAILABLE.
 */
export class Gateway {
  readonly #state: VerifierState;
  readonly #client: IssuerClient;
  readonly #reader: TokenReader;
  readonly #fleet: FleetConnection;
  // Of what this process answers: each verifier counts for itself.
  readonly #budgets = new Budgets();
  readonly #usage = new UsageBook(maxUsageRecords);
  readonly #uploader: UsageUploader;
  readonly #audience: string | undefined;
  readonly #timeoutMs: number;
  readonly #leaseWaiters = new Set<() => void>();
  #lastError: IssuerError | undefined;
  #closed = false;
  #malformed: VerifyAnswer;
  #malformedPromise: Promise<VerifyAnswer>;

  constructor(options: GatewayOptions) {
    const { issuerUrl, clientId, clientSecret, audience, cacheTokens = 100_000, timeoutMs = 1000, leaseMs = 800, usageIntervalMs = 1000 } = options;
    if (!(leaseMs >= 350 && leaseMs <= 800)) throw new RangeError('leaseMs is 350 to 800');
    const failed = (error: IssuerError) => {
      this.#lastError = error;
      try {
        options.onError?.(error);
      } catch (thrown) {
        // Verification goes on whatever the host's code does with our errors; Node prints the warning.
        process.emitWarning(`A gateway's onError threw: ${String(thrown)}`);
      }
    };
    this.#audience = audience;
    this.#timeoutMs = timeoutMs;
    this.#state = new VerifierState(cacheTokens);
    this.#client = new IssuerClient(issuerUrl, clientId, clientSecret, options.ca);
    this.#reader = new TokenReader(this.#client, this.#state, timeoutMs, failed);
    this.#uploader = new UsageUploader(this.#client, this.#state, this.#usage, failed);
    this.#fleet = new FleetConnection(this.#client, this.#state, options.name ?? `${hostname()}/${process.pid}`, leaseMs, { leased: () => this.#leased(), failed });
    this.#malformed = Object.freeze(this.#refusal('MALFORMED'));
    this.#malformedPromise = Promise.resolve(this.#malformed);
    this.#fleet.start();
    this.#uploader.start(usageIntervalMs);
  }

  /**
   * Verifies a token: is it live, for this audience, in these networks, with all these scopes? Never
   * rejects, and never shows the token. From memory it is answered within the call itself.
   */
  verify(token: string, options: VerifyOptions = nothingWanted): Promise<VerifyAnswer> {
    const answer = this.verifyFromMemory(token, options);
    if (!answer) return this.#read(innerDigestLatin1(token), options);
    return answer === this.#malformed ? this.#malformedPromise : Promise.resolve(answer);
  }

  /** The same without waiting: undefined when only a read could tell. */
  verifyFromMemory(token: string, options: VerifyOptions = nothingWanted): VerifyAnswer | undefined {
    const mono = performance.now();
    const wall = Date.now();
    if (typeof token !== 'string' || token.length > maxTokenLength || token.charCodeAt(prefixEnd) !== underscore) return this.#refuseMalformed();
    // Nothing is as fresh as that, and the issuer would only refuse to be asked.
    if (options.minSeq !== undefined && !isSeq(options.minSeq)) return this.#refusal('STALE');
    const slot = slotFor(this.#state, innerDigestLatin1(token), options, mono, wall);
    if (slot < 0) return parse(token).ok ? undefined : this.#refuseMalformed();
    const answer = this.#limited(answerAt(this.#state, slot, options, options.audience ?? this.#audience, mono, wall), mono);
    const { cache } = this.#state;
    cache.setMark(slot, this.#record(cache.mark(slot), answer, options, mono));
    return answer;
  }

  async #read(digest: string, options: VerifyOptions): Promise<VerifyAnswer> {
    if (this.#closed) return this.#refusal('UNAVAILABLE');
    const answer = await this.#reader.read(digest, { ...options, audience: options.audience ?? this.#audience });
    if (!answer) return this.#refusal('UNAVAILABLE');
    if (!isKnown(answer)) return answer;
    const mono = performance.now();
    const counted = this.#limited(answer, mono);
    this.#record(0, counted, options, mono);
    return counted;
  }

  #limited<Answer extends VerifyAnswer & TokenFacts>(answer: Answer, mono: number): VerifyAnswer & TokenFacts {
    if (!answer.valid || answer.ratePerMinute === undefined) return answer;
    const retryAfterMs = this.#budgets.take(answer.tokenId, budgetOf(answer.ratePerMinute), mono);
    return retryAfterMs === 0 ? answer : { ...facts(answer), valid: false, code: 'RATE_LIMITED', retryAfterMs };
  }

  #record(mark: number, answer: VerifyAnswer & TokenFacts, { scopes, address, agent }: VerifyOptions, mono: number): number {
    return this.#usage.record(mark, answer.tokenId, answer.code, scopes, answer.scopes, address, agent, mono, answer.generation);
  }

  // One object for a flood of junk, made anew when there is something newer to be fresh as of.
  #refuseMalformed(): VerifyAnswer {
    const { asOf, appliedSeq } = this.#state;
    if (this.#malformed.seq !== appliedSeq || (this.#malformed.asOf !== asOf && asOf !== '')) {
      this.#malformed = Object.freeze(this.#refusal('MALFORMED'));
      this.#malformedPromise = Promise.resolve(this.#malformed);
    }
    return this.#malformed;
  }

  // The form of a token never changes, so MALFORMED is as fresh as can be; nothing is known behind UNAVAILABLE.
  #refusal(code: VerifyCode): VerifyAnswer {
    const { asOf, appliedSeq: seq } = this.#state;
    return { valid: false, code, asOf: asOf || never, seq, maxStalenessMs: code === 'MALFORMED' ? 0 : Number.MAX_SAFE_INTEGER };
  }

  #leased(): void {
    this.#reader.schedule();
    for (const wake of this.#leaseWaiters) wake();
    this.#leaseWaiters.clear();
  }

  /** Resolves true under the first lease, or false when there was none in time. Calls need not wait for it. */
  ready(timeoutMs = 10_000): Promise<boolean> {
    if (this.status().underLease) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, false);
      this.#leaseWaiters.add(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  status(): GatewayStatus {
    const { verifierId, appliedSeq, asOf, cache } = this.#state;
    return { underLease: this.#state.mayAnswer(performance.now(), Date.now()), verifierId, appliedSeq, asOf: asOf || never, cachedTokens: cache.size, lastError: this.#lastError };
  }

  /** Stops answering, uploads the last usage, and takes leave of the issuer. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#uploader.close();
    await this.#fleet.close();
    this.#reader.close();
    this.#client.close();
  }
}

/** An answer from memory has its facts behind getters, which a spread would lose. */
function facts(answer: VerifyAnswer & TokenFacts): VerifyAnswer & TokenFacts {
  const { asOf, seq, maxStalenessMs, tokenId, owner, scopes, audience, environment, expiresAt, networks, generation, ratePerMinute, valid, code } = answer;
  return { asOf, seq, maxStalenessMs, tokenId, owner, scopes, audience, environment, expiresAt, networks, generation, ratePerMinute, valid, code };
}

function isSeq(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isKnown(answer: VerifyAnswer): answer is VerifyAnswer & TokenFacts {
  return answer.tokenId !== undefined;
}

/** Starts a verifier in this process. It registers and asks for its first lease in the background. */
export function createGateway(options: GatewayOptions): Gateway {
  return new Gateway(options);
}
