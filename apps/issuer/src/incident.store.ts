import { Injectable } from '@nestjs/common';
import type { Actor, AlertId, OwnerDeactivated, ReportId, TokenId } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { breakerOpen } from './breaker.js';
import { IssuerConfig } from './config.js';
import { ownerLeft } from './departure.store.js';
import { Reader } from './reader.store.js';
import { Stops, type Stopped } from './stop.store.js';

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

/** Acts on incidents within limits, so that whoever fools a detector cannot stop everybody. */
@Injectable()
export class Incidents {
  constructor(private readonly stops: Stops, private readonly reader: Reader, private readonly config: IssuerConfig) {}

  async act(tx: Tx<'issuer'>, { alertId, tokenId, action, by, code, reason }: AutomaticStop): Promise<void> {
    const token = await this.stops.locked(tx.db, tokenId);
    if (!token) return;
    // Whoever lifted the stop has looked at it.
    if ((await tx.db.query('SELECT 1 FROM automatic_stop WHERE alert_id = $1', [alertId])).length > 0) return;
    const [counts] = await tx.db.query<{ owner: string; fleet: string }>(
      `SELECT count(*) FILTER (WHERE owner_id = $1) AS owner, count(*) AS fleet FROM automatic_stop WHERE outcome = 'stopped' AND at > now() - interval '1 hour'`, [token.owner_id],
    );
    const breaker = breakerOpen(Number(counts?.owner), Number(counts?.fleet));
    // Only what an authenticated gateway saw of the living secret counts as use.
    const blocked = breaker ?? (token.last_used_at === null ? 'never-used' : undefined);
    const stopped = blocked ? [] : await this.stops.apply(tx, [token], { kind: action, by, code, reason });
    await this.toBeConfirmed(tx, stopped, code, alertId);
    await tx.db.query(
      'INSERT INTO automatic_stop (alert_id, token_id, owner_id, outcome) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [alertId, tokenId, token.owner_id, blocked ?? (stopped.length > 0 ? 'stopped' : 'nothing-to-stop')],
    );
  }

  /** The secret itself was shown: if it lives its token ends, past the breakers; if it was retired there is nothing to do. */
  async leaked(tx: Tx<'issuer'>, digest: Buffer, by: Actor, code: string, reportId?: ReportId): Promise<void> {
    if (digest.length !== 32) return;
    const key = digest.toString('latin1');
    const known = (await this.reader.read([key])).tokens.get(key);
    if (!known || known.state === 'REVOKED' || known.state === 'EXPIRED') return;
    const stopped = await this.stops.one(tx, known.tokenId as TokenId, { kind: 'revoke', by, code });
    await this.toBeConfirmed(tx, stopped ? [stopped] : [], code, reportId);
  }

  /** Nobody waits for these stops, so a job does, and says when they are in force everywhere. */
  private async toBeConfirmed(tx: Tx<'issuer'>, stopped: readonly Stopped[], code: string, cause: string | undefined): Promise<void> {
    for (const { token, seq } of stopped) {
      await tx.db.query('INSERT INTO unconfirmed_stop (seq, token_id, code, cause) VALUES ($1, $2, $3, $4)', [seq, token.token_id, code, cause ?? null]);
    }
  }

  async ownerLeft(tx: Tx<'issuer'>, departure: OwnerDeactivated): Promise<void> {
    const { transferSeconds } = this.config;
    if (transferSeconds === 0 && !departure.transferTo) await this.stops.endAll(tx, departure.ownerId, 'owner-deactivated');
    else await ownerLeft(tx.db, departure, transferSeconds);
  }
}
