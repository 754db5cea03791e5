import type { AcceptedRequest, Quorum, RuleRef } from '@writ/contracts';
import { slackText } from '@writ/service';
import type { NoticeKind } from './webhook-endpoint.js';

/** What a notice is about. */
export interface NoticeFacts {
  kind: NoticeKind;
  at: Date;
  request: AcceptedRequest;
  require: readonly Quorum[];
  because: readonly RuleRef[];
  lapsesAt: string;
  /** With `review.closed`. */
  status?: string;
  /** Where a person decides; nothing here can. */
  link?: string;
}

/** The event as Standard Webhooks shapes it: `type`, `timestamp`, `data`. */
export function standardBody({ kind, at, request, require, because, lapsesAt, status, link }: NoticeFacts): string {
  const { requestId, requester, resource, environment, scopes, ttl, expiresAt, reason } = request;
  return JSON.stringify({
    type: kind, timestamp: at.toISOString(),
    data: { requestId, requester, resource, environment, scopes, ttl, expiresAt, reason, because, require, lapsesAt, status, url: link },
  });
}

const headlines: Record<NoticeKind, string> = {
  'review.opened': 'A token request needs a human', 'review.reminder': 'A token request still waits', 'review.escalated': 'A token request is about to lapse',
  'review.closed': 'A token request was decided',
};

/**
 * A message as Slack's incoming webhooks take it. Its only button is a link to where people sign in: nothing in a chat
 * can approve.
 */
export function slackBody(facts: NoticeFacts): string {
  const { kind, request, require, because, lapsesAt, status, link } = facts;
  const people = require.map(({ group, approvers }) => `${approvers} of ${group}`).join(' and ');
  const text = [
    `*${headlines[kind]}${status ? `: ${status}` : ''}*`,
    `${slackText(request.requester.id)} (team ${slackText(request.requester.team)}) asks for \`${request.scopes.map(slackText).join(' ')}\` on ${slackText(request.resource)} in ${slackText(request.environment)}, until ${request.expiresAt ?? request.ttl ?? ''}`,
    `Reason given: ${slackText(request.reason)}`,
    ...(because.length > 0 ? [`Held because ${because.map(({ reason }) => slackText(reason)).join('; ')}`] : []),
    ...(status ? [] : [`Needs ${people}; lapses ${lapsesAt}`]),
  ].join('\n');
  const button = link ? [{ type: 'actions', elements: [{ type: 'button', text: { type: 'plain_text', text: 'Look at it' }, url: link }] }] : [];
  return JSON.stringify({ text: `${headlines[kind]}: ${slackText(request.requestId)}`, blocks: [{ type: 'section', text: { type: 'mrkdwn', text: text.slice(0, 3_000) } }, ...button] });
}
