import { Injectable } from '@nestjs/common';
import type { AlertView, EventData } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import { Clock, writeNotices } from '@writ/service';
import { MonitorConfig } from '../config.js';
import { alertWords, narrowingWords } from './notice.js';

/** Writes down whom to tell what, in the transaction that makes it true; a job carries it out. */
@Injectable()
export class Notices {
  constructor(private readonly config: MonitorConfig, private readonly clock: Clock) {}

  /** An alert that is new, as its owner sees it. Whose token is bait only those hear who hear of all teams: it has no owner here. */
  opened(db: Db, alert: AlertView): void {
    this.write(db, this.config.webhooks, alert);
  }

  /** An alert whose owner was not known when it was new: those who hear of all teams have heard of it. */
  adopted(db: Db, alert: AlertView): void {
    this.write(db, this.config.webhooks.filter(({ teams }) => teams !== undefined), alert);
  }

  /** @param eventId of the event that says it: a notice is as unique */
  narrowing(db: Db, eventId: string, data: EventData<'narrowing.proposed'>): void {
    writeNotices(db, this.config.webhooks, { id: eventId, kind: 'narrowing.proposed', team: data.owner.team, data, words: narrowingWords(data) }, this.clock.now());
  }

  private write(db: Db, targets: MonitorConfig['webhooks'], alert: AlertView): void {
    writeNotices(db, targets, { id: alert.alertId, kind: 'alert.opened', team: alert.owner?.team, data: alert, words: alertWords(alert) }, this.clock.now());
  }
}
