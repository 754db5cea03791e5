import { Injectable } from '@nestjs/common';
import type { Db } from '@writ/messaging';
import { writeNotice } from '@writ/service';
import { RotationConfig } from './config.js';
import { noticeBody, wants, type NoticeFacts } from './notice.js';

/** Writes down whom to tell what, in the transaction that makes it true; a job carries it out. */
@Injectable()
export class Notices {
  constructor(private readonly config: RotationConfig) {}

  /** @param eventId of the event that says it: a notice is as unique */
  write(db: Db, eventId: string, team: string, facts: NoticeFacts, at: Date): void {
    for (const target of this.config.webhooks) {
      if (wants(target, facts.kind, team)) writeNotice(db, target, eventId, noticeBody(target, facts, at), at);
    }
  }
}
