import { Injectable } from '@nestjs/common';
import type { Actor, TokenId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Fleet } from '../fleet/fleet.store.js';
import type { KnownToken } from '../state/state-by-log.js';
import { Stops } from '../state/stop.store.js';

/** Whoever shows a living secret may end its token. */
@Injectable()
export class RevokeByPossession {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly fleet: Fleet) {}

  /**
   * Returns when no door of the issuer says yes any more. Repeated, because the answer was lost, it waits again.
   * @param readSeq place in the state log that `known` is of
   */
  async revoke(known: KnownToken, readSeq: number, by: Actor, code: string): Promise<void> {
    const hasEnded = known.state === 'REVOKED' || known.state === 'EXPIRED';
    const tokenId = known.tokenId as TokenId;
    const seq = hasEnded ? readSeq : await this.transactions.run(async (tx) => (await this.stops.one(tx, tokenId, { kind: 'revoke', by, code }))?.seq ?? this.stops.lastSeq(tx.db, [tokenId]));
    await this.fleet.fence(seq, 'replicas');
  }
}
