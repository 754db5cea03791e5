import { Injectable } from '@nestjs/common';
import type { Principal, TokenId } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { Alerts, type AlertRow } from './alert.store.js';
import { Baselines } from '../baselines/baseline.store.js';
import { saveLesson } from '../baselines/lesson.store.js';

/** After "it was us" nothing of this token goes beyond a note for a day: the change that made the alert goes on. */
const quietSeconds = 86_400;

/** "It was us": the alert ends, and what was seen is known from now on. */
@Injectable()
export class Dismissals {
  constructor(private readonly alerts: Alerts, private readonly baselines: Baselines, private readonly clock: Clock) {}

  /** Of an open alert, whose row the caller has locked. */
  async dismiss(tx: Tx<'monitor'>, alert: AlertRow, by: Principal, reason?: string): Promise<void> {
    // Learning twice is harmless, so it may run before the commit that a crash could take away.
    const lesson = await this.baselines.learn(alert.token_id, Math.floor(this.clock.now().getTime() / 1000), quietSeconds);
    await saveLesson(tx.db, alert.token_id, lesson);
    await this.alerts.close(tx, alert, 'dismissed', by, reason);
    tx.emit('monitoring.changed', { change: 'alert-dismissed', by, ...(reason === undefined ? {} : { reason }), alertId: alert.alert_id, tokenId: alert.token_id });
  }

  /** Whoever lets a token go on has answered what it was stopped for. */
  async resumed(tx: Tx<'monitor'>, tokenId: TokenId, by: Principal, reason?: string): Promise<void> {
    const stops = await tx.db.query<AlertRow>(
      `SELECT * FROM alert WHERE token_id = $1 AND state = 'open' AND action IN ('suspend', 'revoke') AND detector NOT IN ('honeytoken', 'leak', 'burn') ORDER BY alert_id FOR UPDATE`, [tokenId],
    );
    for (const alert of stops) await this.dismiss(tx, alert, by, reason);
  }
}
