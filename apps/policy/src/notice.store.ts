import { Injectable } from '@nestjs/common';
import type { Quorum, RuleRef } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { Clock } from '@writ/service';
import type { Answer, DigestedRequest } from './answer.js';
import { PolicyConfig } from './config.js';
import { slackBody, standardBody, type NoticeFacts } from './notice.js';
import { wants, type NoticeKind, type WebhookEndpoint } from './webhook-endpoint.js';

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
      db.insert('notice', { notice_id: `${request.requestId}.${kind}`, endpoint: endpoint.name, body, next_at: facts.at.toISOString(), attempts: 0, state: 'waiting', created_at: facts.at.toISOString() });
    }
  }
}

export interface DueNotice {
  notice_id: string;
  endpoint: string;
  body: string;
  attempts: number;
}

/** Takes notices whose time has come and puts them off, so that a replica that dies on the way leaves them to the others. */
export async function claimNotices(db: Db, endpoints: readonly WebhookEndpoint[], limit: number): Promise<DueNotice[]> {
  return db.query(
    `UPDATE notice n SET attempts = attempts + 1, next_at = now() + interval '1 minute'
     FROM (SELECT notice_id, endpoint FROM notice WHERE state = 'waiting' AND next_at <= now() AND endpoint = ANY($1)
           ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
     WHERE n.notice_id = due.notice_id AND n.endpoint = due.endpoint
     RETURNING n.notice_id, n.endpoint, n.body, n.attempts`,
    [endpoints.map(({ name }) => name), limit],
  );
}

/** What was delivered is not kept: the record of a review is the review. */
export async function noticeDelivered(db: Db, { notice_id, endpoint }: DueNotice): Promise<void> {
  await db.query('DELETE FROM notice WHERE notice_id = $1 AND endpoint = $2', [notice_id, endpoint]);
}

/** @param waitSeconds until it is tried again; nothing gives it up */
export async function noticeFailed(db: Db, { notice_id, endpoint }: DueNotice, error: string, waitSeconds: number | undefined): Promise<void> {
  await db.query(
    `UPDATE notice SET state = $3, last_error = $4, next_at = now() + $5 * interval '1 second' WHERE notice_id = $1 AND endpoint = $2`,
    [notice_id, endpoint, waitSeconds === undefined ? 'failed' : 'waiting', error.slice(0, 512), waitSeconds ?? 0],
  );
}
