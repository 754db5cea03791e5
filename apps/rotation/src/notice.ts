import { ArrayUnique, IsArray, IsIn } from 'class-validator';
import type { EventData, Straggler } from '@writ/contracts';
import { slackText, WebhookTarget } from '@writ/service';

export const noticeKinds = ['token.expiring', 'rotation.blocked', 'token.orphaned'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Somewhere that wants to hear what will soon stop working. */
export class NoticeTarget extends WebhookTarget {
  @IsArray() @ArrayUnique() @IsIn(noticeKinds, { each: true }) hears: NoticeKind[] = [...noticeKinds];
}

/** What a notice says: the event, under its name. */
export type NoticeFacts = { [K in NoticeKind]: { kind: K; data: EventData<K> } }[NoticeKind];

export function wants({ hears, teams }: NoticeTarget, kind: NoticeKind, team: string): boolean {
  return hears.includes(kind) && (teams?.includes(team) ?? true);
}

/** The body of a notice for a target, as its kind takes it. */
export function noticeBody({ kind: shape }: WebhookTarget, facts: NoticeFacts, at: Date): string {
  if (shape === 'slack') return JSON.stringify({ text: wordsOf(facts) });
  return JSON.stringify({ type: facts.kind, timestamp: at.toISOString(), data: facts.data });
}

function wordsOf(facts: NoticeFacts): string {
  if (facts.kind === 'token.expiring') {
    const { tokenId, owner, expiresAt } = facts.data;
    return `Token ${tokenId} of ${slackText(owner.id)} (team ${slackText(owner.team)}) expires ${expiresAt}. Nothing extends it by itself: request a new one with it as the template.`;
  }
  if (facts.kind === 'token.orphaned') {
    const { tokenId, owner, endsAt } = facts.data;
    return `The owner of token ${tokenId}, ${slackText(owner.id)}, has left. It ends ${endsAt} unless somebody of team ${slackText(owner.team)} takes it over: writ transfer ${tokenId}`;
  }
  const { tokenId, deadlineAt, stragglers } = facts.data;
  return [`The old secret of token ${tokenId} ends ${deadlineAt}, and these still use it:`, ...stragglers.slice(0, 10).map(lineOf)].join('\n');
}

function lineOf({ gateway, network, agent, lastSeenAt }: Straggler): string {
  return `• ${slackText([agent ?? 'somebody', `from ${network ?? 'an unknown network'}`, `at ${gateway}`].join(' '))}, last seen ${lastSeenAt}`;
}
