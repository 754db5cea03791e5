import { Type } from 'class-transformer';
import { IsIn, IsInt, IsObject, IsOptional, IsString, Max, Min } from 'class-validator';
import { CommandConfig, FromJson, IsSecretsAddress, ProcessConfig } from '@writ/process';

export const roles = ['requester', 'reviewer', 'policy-admin', 'admin', 'auditor'] as const;
export type Role = (typeof roles)[number];

/** What a migration is told: the address of the role that owns the tables. */
export class MigrationConfig extends CommandConfig {
  @IsSecretsAddress('postgres', 'postgresql') migrationDatabaseUrl!: string;
}

/** What every service is told by its environment, beside what every process is. */
export class ServiceConfig extends ProcessConfig {
  @IsSecretsAddress('postgres', 'postgresql') databaseUrl!: string;
  /** Connections to PostgreSQL, at the most. */
  @IsInt() @Min(2) @Max(200) @Type(() => Number) databasePool: number = 10;
  @IsSecretsAddress('amqp', 'amqps') brokerUrl!: string;
  /**
   * `answers`: this replica takes no messages and does nothing by the clock but what keeps its own answers right, so that it
   * answers as quickly whatever the platform has to do. At least one replica has to do `all`.
   */
  @IsIn(['all', 'answers']) duties: 'all' | 'answers' = 'all';
  /** Messages in one transaction, at the most. */
  @IsInt() @Min(1) @Max(1_000) @Type(() => Number) batch: number = 200;
  /** The identity provider that people's and machines' bearer tokens come from. */
  @IsSecretsAddress('http', 'https') oidcIssuer!: string;
  @IsString() oidcAudience: string = 'urn:writ:api';
  /** The claim that holds a person's groups, by name or as a path with dots: `realm_access.roles`. */
  @IsString() oidcGroupsClaim: string = 'groups';
  /** The claim that holds a person's team. */
  @IsString() oidcTeamClaim: string = 'team';
  /** The claim that names the client a token was given to: `azp`, `cid`. Whose subject it is, is a machine. */
  @IsString() oidcClientClaim: string = 'client_id';
  /** Which groups give which role: `{"reviewer":["writ-reviewers"]}`. */
  @IsObject() @FromJson() roleGroups!: Partial<Record<Role, string[]>>;
  /** So many calls a second one person or machine may make of a replica, and twenty seconds' worth of them at once. */
  @IsInt() @Min(1) @Type(() => Number) callsPerSecond: number = 200;
  /** What grants or ends much, such as votes, needs a sign-in not older than this. */
  @IsInt() @Min(1) @Type(() => Number) stepUpSeconds: number = 300;
  /** The authentication context that counts as a step-up, where the provider states one. */
  @IsOptional() @IsString() stepUpAcr?: string;
  /** Writers are told "later" while more events than this wait to be published. */
  @IsInt() @Min(1) @Max(10_000) @Type(() => Number) outboxLimit: number = 10_000;
}
