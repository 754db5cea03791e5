import type { Db } from '@writ/messaging';
import { writeNotice } from './notice.store.js';
import type { WebhookTarget } from './webhook-target.js';

/** Something that happened, for whoever wants to hear of it. */
export interface EventNotice {
  /** Receivers tell repetitions by it. */
  id: string;
  kind: string;
  /** Whom it concerns; where that is not known only targets hear of it that are for all teams. */
  team?: string;
  data: object;
  /** The same for people, with nobody's text in control of it. */
  words: string;
}

/** A target that chose kinds. */
export type EventTarget = WebhookTarget & { hears: readonly string[] };

/** Writes down who is told, in the transaction that makes it true; `WebhookDeliveries` carries it out. */
export function writeNotices(db: Db, targets: readonly EventTarget[], notice: EventNotice, at: Date): void {
  for (const target of targets) {
    if (wants(target, notice)) writeNotice(db, target, notice.id, noticeBody(target, notice, at), at);
  }
}

export function wants({ hears, teams }: EventTarget, { kind, team }: Pick<EventNotice, 'kind' | 'team'>): boolean {
  return hears.includes(kind) && (teams === undefined || (team !== undefined && teams.includes(team)));
}

/** The body of a notice for a target, as its kind takes it. */
export function noticeBody({ kind: shape }: WebhookTarget, { kind, data, words }: EventNotice, at: Date): string {
  return JSON.stringify(shape === 'slack' ? { text: words } : { type: kind, timestamp: at.toISOString(), data });
}
