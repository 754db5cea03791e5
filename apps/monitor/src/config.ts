import { Transform, Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, Max, Min } from 'class-validator';
import { AreTargets, FromJson, IsSecretsAddress, ServiceConfig } from '@writ/service';
import { NoticeTarget } from './alerts/notice.js';

/** What the monitor is told besides what every service is. */
export class MonitorConfig extends ServiceConfig {
  /** Smaller than elsewhere: one message may hold thousands of records. */
  @IsInt() @Min(1) @Max(1_000) @Type(() => Number) override batch: number = 10;
  /** Baselines live here; what is lost is rebuilt from the roll-ups. */
  @IsSecretsAddress('redis', 'rediss') redisUrl!: string;
  /** Holds `signing.<kid>.pem`, which proposals and leak reports are signed with, and `honeytoken.<kid>.key`. */
  @IsString() keysDir!: string;
  /** Public keys that the operator trusts: what the active policy set lets the monitor do is signed. */
  @IsString() trustFile!: string;
  /**
   * The keys whose leak reports count, as GitHub publishes them under `/meta/public_keys/secret_scanning`; usually the
   * content of `WRIT_LEAK_KEYS_FILE`. Without them the route answers that it is not set up.
   */
  @IsOptional() @IsObject() @FromJson() leakKeys?: unknown;
  /**
   * Files in MaxMind's DB format, such as GeoLite2-City.mmdb and GeoLite2-ASN.mmdb, separated by colons. Without them
   * places say nothing, and every network weighs the same.
   */
  @IsArray() @Transform(({ value }) => (typeof value === 'string' ? value.split(':').filter(Boolean) : value) as unknown) geoipPaths: string[] = [];
  /** A scope that a token did not use for this long is one that it does not need. */
  @IsInt() @Min(1) @Type(() => Number) unusedScopeDays: number = 30;
  /** Whom to tell of alerts and of tokens that could be smaller: a JSON array, best in a file that `WRIT_WEBHOOKS_FILE` names, since it holds secrets. */
  @AreTargets(NoticeTarget) webhooks: NoticeTarget[] = [];
}
