import { ArrayUnique, IsArray, IsIn } from 'class-validator';
import type { AlertView, EventData } from '@writ/contracts';
import { slackText, WebhookTarget } from '@writ/service';

export const noticeKinds = ['alert.opened', 'narrowing.proposed'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Somewhere that wants to hear what was noticed about tokens. */
export class NoticeTarget extends WebhookTarget {
  @IsArray() @ArrayUnique() @IsIn(noticeKinds, { each: true }) hears: NoticeKind[] = [...noticeKinds];
}

const whatFollows = {
  note: () => '',
  notify: ({ alertId }: AlertView) => ` It goes on. If that was you: writ alerts dismiss ${alertId} --reason …`,
  suspend: ({ tokenId }: AlertView) => ` It is to be suspended. If that was you: writ resume ${tokenId} --reason …`,
  revoke: () => ' It is to be ended.',
};

/** What an alert says in a chat. Agents in it are what clients call themselves. */
export function alertWords(alert: AlertView): string {
  const { tokenId, owner, explanation, action, stop } = alert;
  return `Token ${tokenId}${owner ? ` of ${partyWords(owner)}` : ''}: ${slackText(explanation)}${stop ? '' : whatFollows[action](alert)}`;
}

/** What a proposal says in a chat. */
export function narrowingWords({ tokenId, owner, drop, unusedDays }: EventData<'narrowing.proposed'>): string {
  return `Token ${tokenId} of ${partyWords(owner)} has not used ${drop.map(slackText).join(', ')} for ${unusedDays} days. A smaller one would do: writ narrow ${tokenId}`;
}

function partyWords({ id, team }: { id: string; team: string }): string {
  return `${slackText(id)} (team ${slackText(team)})`;
}
