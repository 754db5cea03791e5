import { Injectable } from '@nestjs/common';
import type { Verification } from '@writ/contracts';
import type { Freshness } from '@writ/gateway';
import { answerTo, bare } from '../verification/answer.js';
import type { KnownGateway } from '../gateways/gateway.store.js';
import { Limits } from '../verification/limits.store.js';
import type { Question } from '../verification/question.js';
import { Reader, type Reading } from '../verification/reader.store.js';
import { Replica } from './replica.job.js';
import { knownAt, toCache, type KnownToken } from '../state/state-by-log.js';
import { Usage } from '../usage/usage.store.js';

const nowhere = -1;
const never = '1970-01-01T00:00:00.000Z';

/** What was read, and whether the log is in doubt, is behind what this replica had seen of it before, or is another one. */
type OurReading = Reading & { isDoubtful: boolean };

/** A read that has not begun. */
interface Waiting {
  digests: Set<string>;
  reading: Promise<OurReading>;
}

/** A verification is a use of the token; an introspection is none, and a verifier that fills its memory uploads the uses itself. */
export type Purpose = 'use' | 'look' | 'read';

/** Answers what a token is worth just now, from memory under lease or else from the database. What is not known for certain is no. */
@Injectable()
export class Verifier {
  private next?: Waiting;

  constructor(private readonly reader: Reader, private readonly replica: Replica, private readonly usage: Usage, private readonly limits: Limits) {}

  answer(question: Question, gateway: KnownGateway, purpose: Purpose): Verification | Promise<Verification> {
    return this.fromMemory(question, gateway, purpose) ?? this.fromDatabase(question, gateway, purpose);
  }

  async answerAll(questions: readonly Question[], gateway: KnownGateway): Promise<{ incarnation: string; results: Verification[] }> {
    const results: (Verification | undefined)[] = questions.map((question) => this.fromMemory(question, gateway, question.byDigest ? 'read' : 'use'));
    const later = this.tooManyUnknown(gateway);
    if (later) for (const i of questions.keys()) results[i] ??= later;
    const missing = questions.filter((_, i) => results[i] === undefined);
    if (missing.length > 0) {
      const reading = await this.read(missing);
      for (const [i, question] of questions.entries()) results[i] ??= this.fromReading(reading, question, gateway, question.byDigest ? 'read' : 'use');
    }
    return { incarnation: this.replica.logIncarnation, results: results as Verification[] };
  }

  /** The clocks are read after the call began, and nothing waits between looking at the lease and answering. */
  private fromMemory(question: Question, gateway: KnownGateway, purpose: Purpose): Verification | undefined {
    const { digest, minSeq } = question;
    const { state } = this.replica;
    const mono = performance.now();
    const wall = Date.now();
    if (!state.mayAnswer(mono, wall) || (minSeq !== undefined && minSeq > state.appliedSeq)) return undefined;
    const slot = digest === undefined ? nowhere : state.cache.find(digest);
    if (digest !== undefined && slot === nowhere) return undefined;
    const fresh = { asOf: state.asOf, seq: state.appliedSeq, maxStalenessMs: state.stalenessMs(mono, wall) };
    if (slot === nowhere) return bare('MALFORMED', fresh);
    fresh.seq = Math.max(fresh.seq, state.cache.asOf(slot));
    const token = knownAt(state.cache, slot);
    const answer = this.limited(answerTo(token, question, gateway.audiences, fresh, state.databaseNowMs(mono, wall)), token, purpose, mono);
    this.usage.note(gateway, question, answer, token, purpose);
    return answer;
  }

  private async fromDatabase(question: Question, gateway: KnownGateway, purpose: Purpose): Promise<Verification> {
    return this.tooManyUnknown(gateway) ?? this.fromReading(await this.read([question]), question, gateway, purpose);
  }

  private fromReading(reading: OurReading, question: Question, gateway: KnownGateway, purpose: Purpose): Verification {
    const { digest, minSeq } = question;
    const { asOf, seq, tokens } = reading;
    const fresh: Freshness = { asOf: asOf.toISOString(), seq, maxStalenessMs: Math.ceil(performance.now() - reading.begun) };
    if (reading.isDoubtful || (minSeq !== undefined && minSeq > seq)) return bare('STALE', fresh);
    if (digest === undefined) return bare('MALFORMED', fresh);
    const token = tokens.get(digest);
    if (token) this.remember(digest, token, reading);
    else this.limits.unknownToken(gateway.clientId, performance.now());
    const answer = this.limited(answerTo(token, question, gateway.audiences, fresh, asOf.getTime() + fresh.maxStalenessMs), token, purpose, performance.now());
    this.usage.note(gateway, question, answer, token, purpose);
    return answer;
  }

  private limited(answer: Verification, token: KnownToken | undefined, purpose: Purpose, mono: number): Verification {
    if (!answer.valid || purpose === 'read' || token?.ratePerMinute === undefined) return answer;
    const retryAfterMs = this.limits.useToken(token.tokenId, token.ratePerMinute, mono);
    return retryAfterMs === 0 ? answer : { ...answer, valid: false, code: 'RATE_LIMITED', retryAfterMs };
  }

  /** What memory does not know is not looked for on behalf of a gateway that asked about too much that nobody knows. */
  private tooManyUnknown({ clientId }: KnownGateway): Verification | undefined {
    const mono = performance.now();
    const retryAfterMs = this.limits.waitForUnknown(clientId, mono);
    if (retryAfterMs === 0) return undefined;
    const { state } = this.replica;
    return { ...bare('RATE_LIMITED', { asOf: state.asOf || never, seq: state.appliedSeq, maxStalenessMs: Math.min(Number.MAX_SAFE_INTEGER, state.stalenessMs(mono, Date.now())) }), retryAfterMs };
  }

  /** Kept only if nothing that concerns it was applied since it was read, and under lease. */
  private remember(digest: string, token: KnownToken, { seq, incarnation }: Reading): void {
    this.replica.state.admit({ digest, token: toCache(token), seq, incarnation }, { mono: performance.now(), wall: Date.now() });
  }

  /**
   * Reads of one turn of the event loop go to the database together. Nobody joins a read that has begun: it may have
   * seen an older state than the caller is entitled to.
   */
  read(questions: readonly Pick<Question, 'digest'>[]): Promise<OurReading> {
    this.next ??= this.begin();
    for (const { digest } of questions) if (digest !== undefined) this.next.digests.add(digest);
    return this.next.reading;
  }

  private begin(): Waiting {
    const digests = new Set<string>();
    const turn = new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    const reading = turn.then(async () => {
      this.next = undefined;
      const { headSeq, logIncarnation } = this.replica;
      const read = await this.reader.read([...digests]);
      return { ...read, isDoubtful: this.replica.inDoubt !== undefined || read.incarnation !== logIncarnation || read.seq < headSeq };
    });
    return { digests, reading };
  }
}
