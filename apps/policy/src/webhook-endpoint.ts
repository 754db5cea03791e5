import { plainToInstance } from 'class-transformer';
import { ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { IsName } from '@writ/contracts';

export const noticeKinds = ['review.opened', 'review.reminder', 'review.escalated', 'review.closed'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** Somewhere that wants to hear of reviews, as the operator set it up. */
export class WebhookEndpoint {
  @IsName() name!: string;
  /** An https address; http only with `allowPrivate`. */
  @IsString() @Matches(/^https?:\/\/[^\s]+$/) url!: string;
  /** `standard`: Standard Webhooks with a JSON event. `slack`: a message as Slack and its likes take it, signed too. */
  @IsIn(['standard', 'slack']) kind: 'standard' | 'slack' = 'standard';
  /** Shared with the receiver, who checks signatures with it. */
  @Matches(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, { message: 'secret is whsec_ and 24 to 64 bytes in base64' }) secret!: string;
  @IsArray() @ArrayUnique() @IsIn(noticeKinds, { each: true }) hears: NoticeKind[] = [...noticeKinds];
  /** Only reviews that one of these groups must agree to; all where left out. */
  @IsOptional() @IsArray() @IsName({ each: true }) groups?: string[];
  /** Only requests of these teams; all where left out. */
  @IsOptional() @IsArray() @IsName({ each: true }) teams?: string[];
  /** Allows plain http and addresses inside the network. */
  @IsBoolean() allowPrivate: boolean = false;
}

/** Reads the endpoints from JSON; what is none is left for the rules to refuse. */
export function endpointsFrom(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return plainToInstance(WebhookEndpoint, JSON.parse(value) as unknown[], { exposeDefaultValues: true });
  } catch {
    return value;
  }
}

/** Says whether an endpoint wants a notice. */
export function wants(endpoint: WebhookEndpoint, kind: NoticeKind, team: string, groups: readonly string[]): boolean {
  return endpoint.hears.includes(kind)
    && (endpoint.teams?.includes(team) ?? true)
    && (endpoint.groups?.some((group) => groups.includes(group)) ?? true);
}
