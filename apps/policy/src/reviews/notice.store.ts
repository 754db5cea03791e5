import { Injectable } from '@nestjs/common';
import type { Quorum, RuleRef } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { Clock, writeNotice } from '@writ/service';
import type { Answer, DigestedRequest } from '../decisions/answer.js';
import { PolicyConfig } from '../config.js';
import { slackBody, standardBody, type NoticeFacts } from './notice.js';
import { wants, type NoticeKind } from './webhook-endpoint.js';

export interface Subject {
  request: DigestedRequest;
  require: readonly Quorum[];
  because: readonly RuleRef[];
  lapsesAt: string;
}

const openAlike = lookup<{ alike_key: string }>(`SELECT DISTINCT alike_key FROM request WHERE state = 'held' AND alike_key = ANY($1)`, (row) => row.alike_key);

/** Writes down whom to tell what, in the transaction that makes it true; a job carries it out. */
@Injectable()
export class Notices {
  /** The keys that a transaction is about to open a review under. */
  private readonly opening = new WeakMap<Db, Set<string>>();

  constructor(private readonly config: PolicyConfig, private readonly clock: Clock) {}

  /** A review is opened. One that is alike to an open one is part of the same item and says nothing by itself. */
  async opened(db: Db, request: DigestedRequest, { data, alikeKey }: Answer & { type: 'request.held' }): Promise<void> {
    if (this.config.webhooks.length === 0) return;
    const isOpen = await db.one(openAlike, alikeKey);
    const opening = this.opening.get(db) ?? new Set();
    this.opening.set(db, opening);
    if (isOpen || opening.has(alikeKey)) return;
    opening.add(alikeKey);
    this.write(db, 'review.opened', { request, require: data.require, because: data.because, lapsesAt: data.lapsesAt });
  }

  write(db: Db, kind: NoticeKind, { request, require, because, lapsesAt }: Subject, status?: string): void {
    const { consoleUrl, webhooks } = this.config;
    const link = consoleUrl === undefined ? undefined : `${consoleUrl.replace(/\/$/, '')}/reviews/${request.requestId}`;
    const facts: NoticeFacts = { kind, at: this.clock.now(), request, require, because, lapsesAt, status, link };
    const groups = require.map(({ group }) => group);
    for (const endpoint of webhooks.filter((each) => wants(each, kind, request.requester.team, groups))) {
      const body = endpoint.kind === 'slack' ? slackBody(facts) : standardBody(facts);
      writeNotice(db, endpoint, `${request.requestId}.${kind}`, body, facts.at);
    }
  }
}
