import { join } from 'node:path';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsNumber, IsOptional, IsString, Matches, Max, Min, MinLength, ValidateIf } from 'class-validator';
import { IsAddress, ServiceConfig } from '@writ/service';
import { witnessModes, type WitnessMode } from './witness/shown.js';

const hasMirror = ({ auditMirror }: { auditMirror?: string }) => auditMirror !== undefined;

/** What the audit service is told beyond what every service is told. */
export class AuditConfig extends ServiceConfig {
  /** The log's name for ever: origin of its checkpoints and name of its key. */
  @Matches(/^[^\s+]{1,256}$/, { message: '$property is a name without spaces and plus signs' }) logOrigin!: string;
  /** Every batch rewrites the edge of the tree, so larger ones cost less. */
  override batch: number = 500;
  @IsAddress('http', 'https') signerUrl!: string;
  @IsString() @MinLength(32) signerSecret!: string;
  @IsString() @MinLength(1) stateDir!: string;
  /** Where tiles, bundles and the checkpoint are published; a folder in the state folder where nothing is said. */
  @IsOptional() @IsString() auditSiteDir?: string;
  /** Events overtake one another; a number that is missing for longer is a gap. */
  @IsInt() @Min(1) @Type(() => Number) auditGraceSeconds: number = 35;
  /** The pause between two comparisons of the whole log with its published files. */
  @IsNumber() @Min(0.1) @Type(() => Number) auditPatrolSeconds: number = 10;
  /** How much of a core each patrol may take. 10 million entries need some minutes of one core in a cycle. */
  @IsNumber() @Min(0.001) @Max(1) @Type(() => Number) auditPatrolShare: number = 0.04;
  /** Whose signatures make a checkpoint acceptable (C2SP tlog-policy). Its witnesses with a URL are asked to cosign. */
  @IsOptional() @IsString() auditPolicyFile?: string;
  /** Whether strangers are shown checkpoints without their quorum of witnesses: after a minute, or never. */
  @IsIn(witnessModes) auditWitnessMode: WitnessMode = 'open';
  /** Makes this service a witness of other logs: its key, `PRIVATE+KEY+…` of type 0x04. */
  @IsOptional() @IsString() witnessKey?: string;
  /** The logs it witnesses, as `log` lines of a policy file. */
  @IsOptional() @IsString() witnessLogsFile?: string;

  /** `s3://bucket/prefix` of an S3-compatible store that the published log is copied to, with how to reach it. */
  @IsOptional() @Matches(/^s3:\/\/[a-z0-9.-]{3,63}(\/|$)/) auditMirror?: string;
  @IsOptional() @IsAddress('http', 'https') auditMirrorEndpoint?: string;
  @IsOptional() @IsString() auditMirrorRegion?: string;
  @ValidateIf(hasMirror) @IsString() @MinLength(1) auditMirrorKeyId?: string;
  @ValidateIf(hasMirror) @IsString() @MinLength(1) auditMirrorSecret?: string;

  get siteDir(): string {
    return this.auditSiteDir ?? join(this.stateDir, 'site');
  }
}
