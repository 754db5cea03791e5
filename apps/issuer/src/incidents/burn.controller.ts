import { Body, Controller, HttpCode, Ip, Post } from '@nestjs/common';
import { BurnBody } from '@writ/contracts';
import { Budgets } from '@writ/gateway';
import { Transactions } from '@writ/messaging';
import { bodyOf, GoesOn, NoReplay, Public, rateLimited, sourceOf } from '@writ/service';
import { digestOf } from '../verification/question.js';

/** From one source. */
const budget = { perSecond: 5, atOnce: 50 };

@Controller('v1/burn')
export class BurnController {
  private readonly sources = new Budgets();

  constructor(private readonly transactions: Transactions<'issuer'>) {}

  /** Ends the token of a secret that somebody found; having it is proof enough. The answer tells nothing of the token. */
  @Post()
  @GoesOn()
  @HttpCode(204)
  @Public()
  @NoReplay()
  async burn(@Body(bodyOf(BurnBody)) { token }: BurnBody, @Ip() address: string): Promise<void> {
    const waitMs = this.sources.take(sourceOf(address), budget, performance.now());
    if (waitMs > 0) throw rateLimited('Too many tokens came from this address.', waitMs);
    const digest = digestOf(token);
    // The same write for every well-formed token, so that the time taken does not tell whether it lives.
    if (digest !== undefined) await this.transactions.read((db) => db.query('INSERT INTO burn (digest) VALUES ($1)', [Buffer.from(digest, 'latin1')]));
  }
}
