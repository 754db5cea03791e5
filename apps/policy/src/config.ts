import { Type } from 'class-transformer';
import { IsInt, IsString, Max, Min } from 'class-validator';
import { ServiceConfig } from '@writ/service';

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
}
