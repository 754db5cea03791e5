import { ArrayUnique, IsArray, IsIn } from 'class-validator';
import type { EventData, Party, RotationId, Straggler, TokenId } from '@writ/contracts';
import { slackText, WebhookTarget } from '@writ/service';

export const noticeKinds = ['token.expiring', 'rotation.blocked', 'rotation.lapsed', 'token.orphaned', 'token.straggling'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Somewhere that wants to hear what will soon stop working. */
export class NoticeTarget extends WebhookTarget {
  @IsArray() @ArrayUnique() @IsIn(noticeKinds, { each: true }) hears: NoticeKind[] = [...noticeKinds];
}

/** Nobody claimed a successor in time: the old secret lives on, or until `oldEndsAt`, and unless `againAt` says otherwise nothing follows. */
export interface RotationLapsed {
  tokenId: TokenId;
  rotationId: RotationId;
  owner: Party;
  lapsedAt: string;
  oldEndsAt?: string;
  againAt?: string;
}

/** What a notice says: mostly an event, under its name. */
export type NoticeFacts =
  | { kind: 'rotation.lapsed'; data: RotationLapsed }
  | { [K in Exclude<NoticeKind, 'rotation.lapsed'>]: { kind: K; data: EventData<K> } }[Exclude<NoticeKind, 'rotation.lapsed'>];

/** What a notice says in a chat. */
export function wordsOf(facts: NoticeFacts): string {
  if (facts.kind === 'token.expiring') {
    const { tokenId, owner, expiresAt } = facts.data;
    return `Token ${tokenId} of ${slackText(owner.id)} (team ${slackText(owner.team)}) expires ${expiresAt}. Nothing extends it by itself: request a new one with it as the template.`;
  }
  if (facts.kind === 'token.orphaned') {
    const { tokenId, owner, endsAt } = facts.data;
    return `The owner of token ${tokenId}, ${slackText(owner.id)}, has left. It ends ${endsAt} unless somebody of team ${slackText(owner.team)} takes it over: writ transfer ${tokenId}`;
  }
  if (facts.kind === 'token.straggling') {
    const { tokenId, owner, generation, retiredAt, gateway, network, shownAt } = facts.data;
    return `Somebody at ${slackText(network)} still shows secret ${generation} of token ${tokenId} of ${slackText(owner.id)}, which ended ${retiredAt}, and is refused (at ${slackText(gateway)}, ${shownAt}). It needs the newest secret.`;
  }
  if (facts.kind === 'rotation.lapsed') {
    const { tokenId, owner, lapsedAt, oldEndsAt, againAt } = facts.data;
    const next = againAt === undefined ? `It is not tried again: writ rotate ${tokenId}` : `The next one comes ${againAt}.`;
    return `Nobody claimed the new secret of token ${tokenId} of ${slackText(owner.id)} by ${lapsedAt}. The old one, if there is one, ${oldEndsAt === undefined ? 'lives on' : `ends ${oldEndsAt} all the same`}. ${next}`;
  }
  const { tokenId, deadlineAt, stragglers } = facts.data;
  return [`The old secret of token ${tokenId} ends ${deadlineAt}, and these still use it:`, ...stragglers.slice(0, 10).map(lineOf)].join('\n');
}

function lineOf({ gateway, network, agent, lastSeenAt }: Straggler): string {
  return `• ${slackText([agent ?? 'somebody', `from ${network ?? 'an unknown network'}`, `at ${gateway}`].join(' '))}, last seen ${lastSeenAt}`;
}
