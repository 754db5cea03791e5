import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Party } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Jobs, LOG } from '@writ/service';
import { Departures, lockLeftTokens, type LockedDeparture } from './departure.store.js';
import { Stops } from '../state/stop.store.js';
import { ForgedRow, type TokenRow } from '../tokens/token.row.js';
import { EndedToken, LeftToo, Transfers } from './transfer.store.js';

const everyMs = 500;
/** The state log's head is locked meanwhile: revocations wait for so many at the most. */
const slice = 25;

/**
 * Nothing outlives its owner: what a departed one leaves goes to whom the identity system named, or is offered to its team
 * until an end that is fixed when the departure is heard; then one entry of the state log ends the rest at once.
 */
@Injectable()
export class DeparturesJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly transfers: Transfers,
    private readonly departures: Departures, @Inject(LOG) private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'settle-departures', () => this.round());
  }

  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const departure = await this.departures.lockNext(tx.db);
      if (!departure) return false;
      if (!(await this.departures.isGenuine(departure))) return this.setAside(tx, departure);
      const tokens = await lockLeftTokens(tx.db, departure, slice);
      const passed = await Promise.all(tokens.map((token) => this.passOn(tx, token, departure)));
      if (tokens.length === slice && passed.includes(true)) return true;
      if (departure.is_over) await this.stops.endAll(tx, departure.owner_id, 'owner-deactivated', { kind: 'owner-deactivated' });
      await this.departures.setState(tx.db, departure, departure.is_over ? 'ended' : 'waiting');
      return true;
    });
  }

  private async setAside(tx: Tx<'issuer'>, { owner_id: ownerId }: LockedDeparture): Promise<true> {
    this.log.error({ ownerId }, 'The departure of this owner was changed behind the issuer\'s back; nothing follows from it until it is said anew.');
    await this.departures.setForged(tx.db, ownerId);
    return true;
  }

  /** @returns whether it needs no further look before the end */
  private async passOn(tx: Tx<'issuer'>, token: TokenRow, departure: LockedDeparture): Promise<boolean> {
    const { successor } = departure;
    if (successor && goesTo(successor, token, departure)) {
      try {
        await this.transfers.transfer(tx, token, successor, claimantAfter(token, successor), { kind: 'owner-deactivated' });
        return true;
      } catch (error) {
        if (error instanceof EndedToken) return false; // The sweep says so.
        if (!(error instanceof ForgedRow || error instanceof LeftToo)) throw error;
        // Nobody is given it, and it holds up nobody: a forged one no verifier accepts, and all end with the rest.
        if (error instanceof ForgedRow) this.log.error({ tokenId: token.token_id }, error.message);
      }
    }
    if (token.orphaned_until !== null) return false;
    await this.transfers.orphan(tx, token, departure.ends_at);
    return true;
  }
}

/** A sealed one nobody can take over. What was issued since was not left. */
function goesTo({ team }: Party, { owner_team, delivery, issue_seq }: TokenRow, { heard_seq }: LockedDeparture): boolean {
  return team === owner_team && delivery.mode === 'claim' && Number(issue_seq) <= Number(heard_seq);
}

/** Where the departed claimed for themselves, the successor does; a machine that claims for its team goes on. */
function claimantAfter({ owner_id, claimant_iss: iss, claimant_sub: sub }: TokenRow, { id }: Party): { iss: string; sub: string } {
  return { iss, sub: sub === owner_id ? id : sub };
}
