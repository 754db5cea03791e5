import { Injectable } from '@nestjs/common';
import type { Verification, VerifyBatchAnswer } from '@writ/contracts';
import { answerTo, bare, type Freshness } from './answer.js';
import type { KnownGateway } from './gateway.store.js';
import type { Question } from './question.js';
import { Reader, type Reading } from './reader.store.js';

/** A read that has not begun. */
interface Waiting {
  digests: Set<string>;
  reading: Promise<Reading>;
}

/** Answers what a token is worth just now. Whatever is not known for certain is no. */
@Injectable()
export class Verifier {
  private next?: Waiting;

  constructor(private readonly reader: Reader) {}

  async answer(question: Question, gateway: KnownGateway): Promise<Verification> {
    return from(await this.read([question]), question, gateway);
  }

  async answerAll(questions: readonly Question[], gateway: KnownGateway): Promise<VerifyBatchAnswer> {
    const reading = await this.read(questions);
    return { incarnation: reading.incarnation, results: questions.map((question) => from(reading, question, gateway)) };
  }

  /**
   * Reads of one turn of the event loop go to the database together. Nobody joins a read that has begun: it may have
   * seen an older state than the caller is entitled to.
   */
  private read(questions: readonly Question[]): Promise<Reading> {
    this.next ??= this.begin();
    for (const { digest } of questions) if (digest !== undefined) this.next.digests.add(digest);
    return this.next.reading;
  }

  private begin(): Waiting {
    const digests = new Set<string>();
    const turn = new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    const reading = turn.then(() => {
      this.next = undefined;
      return this.reader.read([...digests]);
    });
    return { digests, reading };
  }
}

function from(reading: Reading, question: Question, { audiences }: KnownGateway): Verification {
  const fresh: Freshness = { asOf: reading.asOf.toISOString(), seq: reading.seq, maxStalenessMs: 0 };
  if (question.minSeq !== undefined && question.minSeq > reading.seq) return bare('STALE', fresh);
  if (question.digest === undefined) return bare('MALFORMED', fresh);
  return answerTo(reading.tokens.get(question.digest), question, audiences, fresh, reading.asOf.getTime());
}
