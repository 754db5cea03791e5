import { Transform, Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsInt, IsString, Max, Min, ValidateBy } from 'class-validator';
import { durationSeconds, IsDuration } from '@writ/contracts';
import { AreTargets, ServiceConfig } from '@writ/service';
import { NoticeTarget } from './notice.js';

const AreDurations = () => ValidateBy({
  name: 'areDurations',
  validator: {
    validate: (value) => Array.isArray(value) && value.every((text) => typeof text === 'string' && (durationSeconds(text) ?? 0) > 0),
    defaultMessage: () => '$property are durations such as P30D,PT1H',
  },
});

export class RotationConfig extends ServiceConfig {
  /** Holds this service's signing key. */
  @IsString() keysDir!: string;
  /** Owners are told this long before a token expires; times longer than its life are left out. */
  @IsArray() @ArrayMaxSize(16) @AreDurations() @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.split(',').map((text) => text.trim()) : value))
  expiryNotices: string[] = ['P30D', 'P7D', 'P1D', 'PT1H'];
  /** A successor may be claimed this long, where the rotation period does not make it shorter. */
  @IsDuration() claimWindow: string = 'P7D';
  /** How long an old secret lives beside its successor where policy says nothing. */
  @IsDuration() defaultGrace: string = 'P1D';
  /** How often due work is looked for. */
  @IsInt() @Min(10) @Max(60_000) @Type(() => Number) tickMs: number = 500;
  /** Due tokens in one transaction, at the most. */
  @IsInt() @Min(1) @Max(2_000) @Type(() => Number) dueBatch: number = 500;
  /** Whom to tell of expiries, stragglers and orphaned tokens: a JSON array, best in a file that `WRIT_WEBHOOKS_FILE` names, since it holds secrets. */
  @AreTargets(NoticeTarget) webhooks: NoticeTarget[] = [];
}
