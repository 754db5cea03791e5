import { applyDecorators } from '@nestjs/common';
import { plainToInstance, Transform, type ClassConstructor } from 'class-transformer';
import { ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional, IsString, Matches, ValidateNested } from 'class-validator';
import { IsName } from '@writ/contracts';

/** Somewhere that wants to hear of something, as the operator set it up. */
export class WebhookTarget {
  @IsName() name!: string;
  /** An https address; http only with `allowPrivate`. */
  @IsString() @Matches(/^https?:\/\/[^\s]+$/) url!: string;
  /** `standard`: Standard Webhooks with a JSON event. `slack`: a message as Slack and its likes take it, signed too. */
  @IsIn(['standard', 'slack']) kind: 'standard' | 'slack' = 'standard';
  /** Shared with the receiver, who checks signatures with it. */
  @Matches(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, { message: 'secret is whsec_ and 24 to 64 bytes in base64' }) secret!: string;
  /** Only what concerns these teams; all where left out. */
  @IsOptional() @IsArray() @IsName({ each: true }) teams?: string[];
  /** Allows plain http and addresses inside the network. */
  @IsBoolean() allowPrivate: boolean = false;
}

/** A service's targets, as JSON; best in a file, since they hold secrets. */
export function AreTargets<T extends WebhookTarget>(type: ClassConstructor<T>): PropertyDecorator {
  return applyDecorators(IsArray(), ArrayUnique(({ name }: T) => name), ValidateNested({ each: true }), Transform(({ value }) => targetsFrom(type, value)));
}

/** Reads targets from JSON; what is none is left for the rules to refuse. */
function targetsFrom<T extends WebhookTarget>(type: ClassConstructor<T>, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return plainToInstance(type, JSON.parse(value) as unknown[], { exposeDefaultValues: true });
  } catch {
    return value;
  }
}

/** Slack's three control characters; with them escaped nobody's text can mention everybody or forge a link. */
export function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
