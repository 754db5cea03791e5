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

  async revoke(known: KnownToken, by: Actor, code: string): Promise<void> {
    if (known.state === 'REVOKED' || known.state === 'EXPIRED') return;
    const stopped = await this.transactions.run((tx) => this.stops.one(tx, known.tokenId as TokenId, { kind: 'revoke', by, code }));
    if (stopped) await this.fleet.fence(stopped.seq, 'replicas');
  }
}
