import { ArrayUnique, IsArray, IsIn, IsOptional } from 'class-validator';
import { IsName } from '@writ/contracts';
import { WebhookTarget } from '@writ/service';

export const noticeKinds = ['review.opened', 'review.reminder', 'review.escalated', 'review.closed'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Somewhere that wants to hear of reviews. */
export class WebhookEndpoint extends WebhookTarget {
  @IsArray() @ArrayUnique() @IsIn(noticeKinds, { each: true }) hears: NoticeKind[] = [...noticeKinds];
  /** Only reviews that one of these groups must agree to; all where left out. */
  @IsOptional() @IsArray() @IsName({ each: true }) groups?: string[];
}

/** Says whether an endpoint wants a notice. */
export function wants(endpoint: WebhookEndpoint, kind: NoticeKind, team: string, groups: readonly string[]): boolean {
  return endpoint.hears.includes(kind)
    && (endpoint.teams?.includes(team) ?? true)
    && (endpoint.groups?.some((group) => groups.includes(group)) ?? true);
}
