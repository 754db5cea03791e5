import { Injectable } from '@nestjs/common';
import type { Db } from '@writ/messaging';
import { writeNotices } from '@writ/service';
import { RotationConfig } from './config.js';
import { wordsOf, type NoticeFacts } from './notice.js';

/** Writes down whom to tell what, in the transaction that makes it true; a job carries it out. */
@Injectable()
export class Notices {
  constructor(private readonly config: RotationConfig) {}

  /** @param eventId of the event that says it: a notice is as unique */
  write(db: Db, eventId: string, team: string, facts: NoticeFacts, at: Date): void {
    writeNotices(db, this.config.webhooks, { id: eventId, ...facts, team, words: wordsOf(facts) }, at);
  }
}
