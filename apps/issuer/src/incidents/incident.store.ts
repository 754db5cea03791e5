import { Injectable } from '@nestjs/common';
import type { Actor, AlertId, OwnerDeactivated, ReportId, TokenId } from '@writ/contracts';
import type { Db, Tx } from '@writ/messaging';
import { IssuerConfig } from '../config.js';
import { Departures } from '../owners/departure.store.js';
import { Reader } from '../verification/reader.store.js';
import { Stops, type Stopped } from '../state/stop.store.js';
import type { TokenRow } from '../tokens/token.row.js';

/** So many automatic stops in an hour are taken for good; more are taken for a detector that errs, or is made to. */
const mostStops = { owner: 5, fleet: 50 };
/** PostgreSQL's advisory lock under which the breakers count. */
const breakerLock = 0x57524954;

/** A stop that no person asked for. */
export interface AutomaticStop {
  /** Acted upon once, however often it is said. */
  alertId: AlertId;
  tokenId: TokenId;
  action: 'suspend' | 'revoke';
  by: Actor;
  code: string;
  reason?: string;
}

/** A secret that is out, by its inner digest, and since when that is known. */
export interface ShownSecret {
  digest: Buffer;
  reportedAt: Date;
}

/** How it became known. */
export interface Leak {
  by: Actor;
  code: string;
  reportId?: ReportId;
}

/** Acts on incidents within limits, so that whoever fools a detector cannot stop everybody. */
@Injectable()
export class Incidents {
  constructor(private readonly stops: Stops, private readonly reader: Reader, private readonly config: IssuerConfig, private readonly departures: Departures) {}

  /** All of them are locked before the first is stopped, because the log's head must be the last lock. */
  async actAll(tx: Tx<'issuer'>, stops: readonly AutomaticStop[]): Promise<void> {
    if (stops.length === 0) return;
    await lockBreakers(tx.db);
    await Promise.all(stops.map(({ tokenId }) => this.stops.locked(tx.db, tokenId)));
    for (const stop of stops) await this.act(tx, stop);
  }

  async act(tx: Tx<'issuer'>, { alertId, tokenId, action, by, code, reason }: AutomaticStop): Promise<void> {
    await lockBreakers(tx.db);
    const token = await this.stops.locked(tx.db, tokenId);
    if (!token) return;
    const outcome = await this.decide(tx.db, alertId, token);
    if (outcome === undefined) return;
    if (outcome !== 'stopped') {
      tx.emit('stop.blocked', { tokenId, alertId, code: outcome });
      return;
    }
    const stopped = await this.stops.apply(tx, [token], { kind: action, by, code, reason });
    await this.toBeConfirmed(tx, stopped, code, alertId);
    if (stopped.length === 0) await tx.db.query(`UPDATE automatic_stop SET outcome = 'nothing-to-stop' WHERE alert_id = $1`, [alertId]);
  }

  /**
   * Counts and keeps the outcome in one statement, because the messages of a batch are handled side by side. Only what an
   * authenticated gateway saw of the living secret counts as use. What was blocked may be proposed again.
   * @returns undefined where the alert was acted upon before: whoever lifted that stop has looked at it
   */
  private async decide(db: Db, alertId: AlertId, token: TokenRow): Promise<string | undefined> {
    const [kept] = await db.query<{ outcome: string }>(
      `INSERT INTO automatic_stop AS s (alert_id, token_id, owner_id, outcome)
       SELECT $1, $2, $3, CASE WHEN count(*) >= $4 THEN 'fleet-breaker' WHEN count(*) FILTER (WHERE owner_id = $3) >= $5 THEN 'owner-breaker' WHEN $6 THEN 'stopped' ELSE 'never-used' END
       FROM automatic_stop WHERE outcome = 'stopped' AND at > now() - interval '1 hour'
       ON CONFLICT (alert_id) DO UPDATE SET outcome = excluded.outcome, at = excluded.at WHERE s.outcome NOT IN ('stopped', 'nothing-to-stop')
       RETURNING outcome`,
      [alertId, token.token_id, token.owner_id, mostStops.fleet, mostStops.owner, token.last_used_at !== null],
    );
    return kept?.outcome;
  }

  /**
   * The secrets themselves were shown, the earliest first: what lives ends, past the breakers; where it was retired there is
   * nothing to do. All are locked before the first is stopped, because the log's head must be the last lock.
   */
  async leaked(tx: Tx<'issuer'>, shown: readonly ShownSecret[], { by, code, reportId }: Leak): Promise<void> {
    const keyOf = ({ digest }: ShownSecret) => digest.toString('latin1');
    const sound = shown.filter(({ digest }) => digest.length === 32);
    const { tokens } = await this.reader.read(sound.map(keyOf));
    const reportedAt = new Map<TokenId, Date>();
    for (const each of sound) {
      const token = tokens.get(keyOf(each));
      if ((token?.state === 'VALID' || token?.state === 'SUSPENDED') && !reportedAt.has(token.tokenId as TokenId)) reportedAt.set(token.tokenId as TokenId, each.reportedAt);
    }
    const locked = await Promise.all([...reportedAt.keys()].map((tokenId) => this.stops.locked(tx.db, tokenId)));
    const stopped = await this.stops.apply(tx, locked.filter((token) => token !== undefined), { kind: 'revoke', by, code });
    await this.toBeConfirmed(tx, stopped, code, reportId, reportedAt);
  }

  /** Nobody waits for these stops, so a job does, and says when they are in force everywhere. */
  private async toBeConfirmed(tx: Tx<'issuer'>, stopped: readonly Stopped[], code: string, cause: string | undefined, reportedAt?: ReadonlyMap<TokenId, Date>): Promise<void> {
    for (const { token, seq } of stopped) {
      await tx.db.query('INSERT INTO unconfirmed_stop (seq, token_id, code, cause, reported_at) VALUES ($1, $2, $3, $4, $5)', [seq, token.token_id, code, cause ?? null, reportedAt?.get(token.token_id) ?? null]);
    }
  }

  async ownerLeft(tx: Tx<'issuer'>, departure: OwnerDeactivated): Promise<void> {
    const { state } = await this.departures.ownerLeft(tx.db, departure, this.config.transferSeconds);
    if (state === 'ended') await this.stops.endAll(tx, departure.ownerId, 'owner-deactivated', { kind: 'owner-deactivated' });
  }
}

/** One after the other, between replicas too: else many that come at once would each find the breakers closed. */
async function lockBreakers(db: Db): Promise<void> {
  await db.query('SELECT pg_advisory_xact_lock($1)', [breakerLock]);
}
