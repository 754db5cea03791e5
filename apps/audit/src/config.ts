import { join } from 'node:path';
import { IsOptional, IsString, Matches, MinLength } from 'class-validator';
import { IsAddress, ServiceConfig } from '@writ/service';

/** What the audit service is told beyond what every service is told. */
export class AuditConfig extends ServiceConfig {
  /** The log's name for ever: origin of its checkpoints and name of its key. */
  @Matches(/^[^\s+]{1,256}$/, { message: '$property is a name without spaces and plus signs' }) logOrigin!: string;
  @IsAddress('http', 'https') signerUrl!: string;
  @IsString() @MinLength(32) signerSecret!: string;
  @IsString() @MinLength(1) stateDir!: string;
  /** Where tiles, bundles and the checkpoint are published; a folder in the state folder where nothing is said. */
  @IsOptional() @IsString() auditSiteDir?: string;

  get siteDir(): string {
    return this.auditSiteDir ?? join(this.stateDir, 'site');
  }
}
