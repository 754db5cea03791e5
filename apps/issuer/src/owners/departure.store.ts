import { Inject, Injectable } from '@nestjs/common';
import type { OwnerDeactivated, Party } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { macEquals, type KeyProvider } from '@writ/token';
import { departureAfter, departureBytes, type Departure, type DepartureState } from './departure.js';
import { KEYS } from '../keys.store.js';
import type { TokenRow } from '../tokens/token.row.js';

interface DepartureRow extends Departure {
  mac: Buffer;
  mac_kid: string;
}

/** A departure that is worked on, and locked meanwhile. */
export interface LockedDeparture extends DepartureRow {
  /** The time to take tokens over has passed. */
  is_over: boolean;
  /** Whom to hand on to: not somebody who is leaving too. */
  successor: Party | null;
}

const departureOf = lookup<DepartureRow>('SELECT * FROM departure WHERE owner_id = ANY($1)', (row) => row.owner_id);

/** Who left. Rows carry a MAC: whoever can write into the table hands nobody's tokens to anybody. */
@Injectable()
export class Departures {
  constructor(@Inject(KEYS) private readonly keys: KeyProvider) {}

  /** @returns what is kept of it now */
  async ownerLeft(db: Db, { ownerId, deactivatedAt, transferTo }: OwnerDeactivated, transferSeconds: number): Promise<Departure> {
    // A new row has no seal yet, so it counts for nothing: it is there to be locked.
    const [row] = await db.query<DepartureRow & { now: Date; head_seq: string }>(
      `INSERT INTO departure AS d (owner_id, deactivated_at, ends_at, state) VALUES ($1, now(), now(), 'ended')
       ON CONFLICT (owner_id) DO UPDATE SET owner_id = excluded.owner_id RETURNING d.*, now(), (SELECT seq FROM state_head) AS head_seq`, [ownerId],
    );
    const { now, head_seq: headSeq, ...before } = row as DepartureRow & { now: Date; head_seq: string };
    const after = departureAfter((await this.isGenuine(before)) ? before : undefined, {
      ownerId, deactivatedAt: new Date(deactivatedAt), transferTo, now, headSeq, transferSeconds,
    });
    await this.save(db, after);
    return after;
  }

  /** Locks the departure that is next to be worked on and that no other replica works on. */
  async lockNext(db: Db): Promise<LockedDeparture | undefined> {
    return (await db.query<LockedDeparture>(
      `SELECT *, ends_at <= now() AS is_over,
         CASE WHEN NOT EXISTS (SELECT 1 FROM departure t WHERE t.owner_id = d.transfer_to->>'id' AND t.state <> 'reinstated') THEN transfer_to END AS successor FROM departure d
       WHERE state IN ('offering', 'waiting') AND (state = 'offering' OR ends_at <= now()) ORDER BY ends_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
    ))[0];
  }

  async isGenuine({ mac, mac_kid, ...departure }: DepartureRow): Promise<boolean> {
    return mac_kid !== '' && macEquals(mac, await this.keys.mac('row', departureBytes(departure), mac_kid));
  }

  async setState(db: Db, departure: Departure, state: 'waiting' | 'ended'): Promise<void> {
    await this.save(db, { ...departure, state });
  }

  /** Gives up a row that is not as it was written: nobody works on it any more, and it gets no good seal. */
  async setForged(db: Db, ownerId: string): Promise<void> {
    await db.query(`UPDATE departure SET state = 'forged' WHERE owner_id = $1`, [ownerId]);
  }

  /** Has an owner back whose departure is over. Repeated it changes nothing. @returns what stood before; undefined where nobody left */
  async reinstate(db: Db, ownerId: string): Promise<DepartureState | undefined> {
    const [departure] = await db.query<DepartureRow>('SELECT * FROM departure WHERE owner_id = $1 FOR UPDATE', [ownerId]);
    if (departure && !(await this.isGenuine(departure))) return 'forged';
    if (departure?.state === 'ended') await this.save(db, { ...departure, state: 'reinstated' });
    return departure?.state;
  }

  /** Whether the owner left and nobody had them back; with `requestedAt` also what was asked for before they left is not for them. */
  async hasLeft(db: Db, ownerId: string, requestedAt?: Date): Promise<boolean> {
    const departure = await db.one(departureOf, ownerId);
    if (!departure) return false;
    return departure.state !== 'reinstated' || (requestedAt !== undefined && requestedAt <= departure.deactivated_at) || !(await this.isGenuine(departure));
  }

  private async save(db: Db, departure: Departure): Promise<void> {
    const { owner_id, deactivated_at, ends_at, transfer_to, state, heard_seq } = departure;
    const kid = this.keys.keys('row').current;
    await db.query(
      'UPDATE departure SET deactivated_at = $2, ends_at = $3, transfer_to = $4, state = $5, heard_seq = $6, mac = $7, mac_kid = $8 WHERE owner_id = $1',
      [owner_id, deactivated_at, ends_at, transfer_to && JSON.stringify(transfer_to), state, heard_seq, await this.keys.mac('row', departureBytes(departure), kid), kid],
    );
  }
}

/** Locks tokens of the departed that were not looked at, or that may be handed on now. */
export function lockLeftTokens(db: Db, { owner_id, successor, heard_seq }: LockedDeparture, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>(
    `SELECT * FROM token WHERE owner_id = $1 AND state IN ('issued', 'active', 'suspended')
       AND (orphaned_until IS NULL OR (owner_team = $2 AND delivery->>'mode' = 'claim' AND issue_seq <= $3)) ORDER BY token_id LIMIT $4 FOR UPDATE`,
    [owner_id, successor?.team ?? null, heard_seq, limit],
  );
}
