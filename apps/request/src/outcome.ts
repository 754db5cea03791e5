import {
  deriveId, durationText, type DecisionAnswer, type EventId, type EventType, type Grant, type RequestAnswer, type RequestApproved, type RequestDenied,
  type RequestDetails, type RequestHeld,
} from '@writ/contracts';
import type { Addressee, RequestRow } from './request.store.js';

export interface Outcome {
  type: EventType;
  data: object;
}

export function approval({ code, because, grant }: RequestApproved): DecisionAnswer {
  return { outcome: 'approve', code, because, obligations: obligationsOf(grant) };
}

export function hold({ code, because, require, lapsesAt, nearest }: RequestHeld): DecisionAnswer {
  return { outcome: 'hold', code, because, require, lapsesAt, nearest };
}

export function denial({ code, because, nearest }: RequestDenied): DecisionAnswer {
  return { outcome: 'deny', code, because, nearest };
}

function obligationsOf({ scopes, ttlSeconds, expiresAt, rotateSeconds, graceSeconds }: Grant): DecisionAnswer['obligations'] {
  const text = (seconds?: number) => (seconds === undefined ? undefined : durationText(seconds));
  return { scopes, ttl: text(ttlSeconds), expiresAt, rotate: text(rotateSeconds), grace: text(graceSeconds) };
}

/** What a request has come to, as an answer. The strongest decision stands, whichever was heard last. */
export function answerOf(row: RequestRow): RequestAnswer {
  return { requestId: row.request_id, status: row.status, decision: decisionOf(row), tokenId: row.token_id ?? undefined };
}

export function detailsOf(row: RequestRow): RequestDetails {
  const { requester, claimant, reason, resource, scopes, environment, ttl, expiresAt } = row.accepted;
  return {
    ...answerOf(row), source: row.source, submissionId: row.submission_id, requester, claimant, reason, resource, scopes, environment, ttl, expiresAt,
    submittedAt: row.accepted_at.toISOString(),
  };
}

/** What a request comes to at most once. */
const oncePerRequest: ReadonlySet<EventType> = new Set(['request.approved', 'request.denied', 'request.lapsed', 'request.cancelled', 'token.issued']);

/** The id that such an outcome is told under: the same whenever it is told again, so that its upstream hears one event. */
export function outcomeId({ request_id, accepted_at }: Pick<Addressee, 'request_id' | 'accepted_at'>, type: EventType): EventId | undefined {
  return oncePerRequest.has(type) ? deriveId('evt', accepted_at.getTime(), request_id, type) : undefined;
}

/** What an upstream is told when it submits the same request again. */
export function currentOutcome(row: RequestRow): Outcome {
  const facts = { requestId: row.request_id, submissionId: row.submission_id, status: row.status };
  const said = (type: EventType, more: object = {}): Outcome => ({ type, data: { ...facts, ...more } });
  const decision = decisionOf(row);
  switch (row.status) {
    case 'submitted': return said('request.submitted');
    case 'held': return said('request.held', { decision });
    case 'approved': return said('request.approved', { decision });
    case 'denied': return row.denied ? said('request.denied', { decision }) : said('issue.refused', { decision });
    case 'lapsed': return said('request.lapsed');
    case 'cancelled': return said('request.cancelled', { tokenId: row.token_id ?? undefined });
    case 'issued': return said('token.issued', row.issued ?? {});
    case 'delivered': return said('token.delivered', { tokenId: row.token_id });
  }
}

function decisionOf({ denied, approved, issue_refused, held, status }: RequestRow): DecisionAnswer | undefined {
  if (denied) return denied;
  if (approved && issue_refused && status === 'denied') return { outcome: 'deny', code: issue_refused.code, because: [] };
  return approved ?? held ?? undefined;
}
