import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { AreTargets, IsAddress, ServiceConfig } from '@writ/service';
import { WebhookEndpoint } from './reviews/webhook-endpoint.js';

const daySeconds = 86_400;

export class PolicyConfig extends ServiceConfig {
  /** Holds this service's signing key. */
  @IsString() keysDir!: string;
  /** The public keys that the operator trusts. */
  @IsString() trustFile!: string;
  /** How long a held request waits for people where no rule says so. */
  @IsInt() @Min(1) @Type(() => Number) reviewSeconds: number = daySeconds;
  /** How long an approval may wait for the issuer before it counts for nothing. */
  @IsInt() @Min(60) @Max(30 * daySeconds) @Type(() => Number) decisionSeconds: number = 7 * daySeconds;
  /** Where people find the console; notices link there. */
  @IsOptional() @IsAddress('http', 'https') consoleUrl?: string;
  /** Whom to tell of reviews: a JSON array, best in a file that `WRIT_WEBHOOKS_FILE` names, since it holds secrets. */
  @AreTargets(WebhookEndpoint) webhooks: WebhookEndpoint[] = [];
}
