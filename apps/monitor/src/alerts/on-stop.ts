import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Db, type Tx } from '@writ/messaging';
import { Alerts } from './alert.store.js';
import { tokenById } from '../usage/token.store.js';

interface Leak {
  channel: string;
  url: string;
  reported_at: Date;
}

/** Tells owners what became of a stop that nobody asked them about: when it was decided, and when it was true everywhere. */
@MessageHandler()
export class OnStop {
  constructor(private readonly alerts: Alerts) {}

  @On('stop.confirmed')
  async confirmed({ data }: Message<'stop.confirmed'>, tx: Tx<'monitor'>): Promise<void> {
    const { tokenId, cause, code, reportedAt, stoppedAt, refusedAt, acknowledged, fenced } = data;
    const stop = { stoppedAt, refusedAt, acknowledged, fenced };
    if (cause?.startsWith('alr_')) return this.alerts.stopped(tx, cause, stop);
    if (code !== 'leaked' && code !== 'burned') return;
    const leak = await leakOf(tx.db, cause);
    const observedAt = leak?.reported_at ?? new Date(reportedAt ?? stoppedAt);
    const where = leak ? ` at ${leak.url || 'a place that the report does not name'} (${leak.channel})` : ', and whoever found it burnt it';
    await this.alerts.record(tx, {
      tokenId, token: await tokenById(tx.db, tokenId), observedAt, evidence: { cause, code },
      verdict: { detector: leak ? 'leak' : 'burn', action: 'revoke', explanation: `A secret of this token lay in the open${where}. The token was ended; request a new one, and find out how it got there.` },
      stop: { ...stop, afterMs: Math.max(0, Date.parse(refusedAt) - observedAt.getTime()) },
    });
  }

  @On('stop.blocked')
  blocked({ data: { alertId, code }, time }: Message<'stop.blocked'>, tx: Tx<'monitor'>): Promise<void> {
    return this.alerts.blocked(tx, alertId, { code, at: time.toISOString() });
  }
}

async function leakOf(db: Db, reportId: string | undefined): Promise<Leak | undefined> {
  return (await db.query<Leak>('SELECT channel, url, reported_at FROM leak WHERE report_id = $1', [reportId ?? '']))[0];
}
