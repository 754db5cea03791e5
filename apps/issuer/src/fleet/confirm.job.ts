import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { TokenId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import { Fleet } from './fleet.store.js';

const everyMs = 200;
const slice = 200;

interface Unconfirmed {
  seq: string;
  token_id: TokenId;
  code: string;
  cause: string | null;
  reported_at: Date | null;
  stopped_at: Date;
}

/**
 * Waits, where nobody else does, until a stop is in force at every verifier, and says so with the count of receipts. Any
 * replica may; one that dies leaves its rows to the others, and of two that waited the second finds nothing to say.
 */
@Injectable()
export class ConfirmJob implements OnModuleInit {
  constructor(private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly fleet: Fleet, private readonly clock: Clock) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'confirm-stops', () => this.round());
  }

  /** One fence covers every stop before it: the wait is the same for one and for many. */
  private async round(): Promise<boolean> {
    const stops = await this.transactions.read((db) => db.query<Unconfirmed>(`SELECT * FROM unconfirmed_stop ORDER BY seq LIMIT ${slice}`));
    const last = stops.at(-1);
    if (!last) return false;
    const receipts = await this.fleet.fence(Number(last.seq));
    const refusedAt = this.clock.now().toISOString();
    const count = (outcome: string) => receipts.filter((receipt) => receipt.outcome === outcome).length;
    await this.transactions.run(async (tx) => {
      const said = await tx.db.query<Unconfirmed>(
        'DELETE FROM unconfirmed_stop WHERE seq IN (SELECT seq FROM unconfirmed_stop WHERE seq = ANY($1) ORDER BY seq FOR UPDATE SKIP LOCKED) RETURNING *', [stops.map(({ seq }) => seq)],
      );
      for (const { seq, token_id: tokenId, code, cause, reported_at, stopped_at } of said) {
        tx.emit('stop.confirmed', {
          tokenId, seq: Number(seq), code, ...(cause === null ? {} : { cause }), ...(reported_at ? { reportedAt: reported_at.toISOString() } : {}), stoppedAt: stopped_at.toISOString(), refusedAt,
          acknowledged: count('acknowledged'), fenced: count('fenced'),
        });
      }
    });
    return stops.length === slice;
  }
}
