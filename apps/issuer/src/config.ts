import { Transform, Type } from 'class-transformer';
import { IsArray, IsIn, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { IsAddress, IsSecretsAddress, ServiceConfig } from '@writ/service';
import { unclaimedChoices, type UnclaimedChoice } from './rotation/settle.js';

/** What the issuer is told besides what every service is. */
export class IssuerConfig extends ServiceConfig {
  /** Holds `pepper.<kid>.key` and `mac.<kid>.key`; the last of each kind by name is the current one. */
  @IsString() keysDir!: string;
  /** The public keys whose statements count. */
  @IsString() trustFile!: string;
  /** Where the head of the state log is kept outside the database. */
  @IsString() stateDir!: string;
  /** Hints between replicas; without it they poll. */
  @IsOptional() @IsSecretsAddress('redis', 'rediss') redisUrl?: string;
  /** The broker's virtual host for verification over AMQP; without it there is none. */
  @IsOptional() @IsSecretsAddress('amqp', 'amqps') rpcBrokerUrl?: string;
  /** So many KiB of questions a second one gateway may ask of a replica over AMQP, each rounded up, and four seconds' worth at once. */
  @IsInt() @Min(1) @Max(1_000_000) @Type(() => Number) rpcPerSecond: number = 10_000;
  /** Where the world reaches this issuer (RFC 8414 `issuer`), with the path where a proxy puts it under one; by default as each request names it. */
  @IsOptional() @IsAddress('http', 'https') publicUrl?: string;
  /** No token lives longer, whatever was approved. */
  @IsInt() @Min(60) @Type(() => Number) maxLifetimeSeconds: number = 366 * 86_400;
  /** An unclaimed token lapses after this. */
  @IsInt() @Min(1) @Type(() => Number) claimSeconds: number = 86_400;
  /** The longest time that an old secret lives beside its used successor where the approval names none. */
  @IsInt() @Min(0) @Type(() => Number) graceSeconds: number = 3_600;
  /** An old secret whose successor is in use ends early once nobody has shown it for so long. */
  @IsInt() @Min(1) @Type(() => Number) zeroTrafficSeconds: number = 300;
  /** What becomes of a secret at its rotation's deadline where nobody has the next one: it is kept, or cut as if somebody had. */
  @IsIn(unclaimedChoices) unclaimedSuccessor: UnclaimedChoice = 'keep';
  /** So long the tokens of an owner who left wait for somebody of the team to take them over; 0 = they end at once. */
  @IsInt() @Min(0) @Type(() => Number) transferSeconds: number = 86_400;
  /** Broker users, separated by commas, who are believed when they say that an owner left; none by default. */
  @IsArray() @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.split(',').map((name) => name.trim()).filter(Boolean) : value))
  identitySystems: string[] = [];
  /** So long after its end a retired secret that a stranger shows suspends its token; 0 = never. */
  @IsInt() @Min(0) @Type(() => Number) tripwireSeconds: number = 7 * 86_400;
  /** So long, at the most, a revocation waits for this replica where it does not answer. */
  @IsInt() @Min(350) @Max(800) @Type(() => Number) leaseMs: number = 800;
  /** Tokens that this replica keeps in memory, at the most. */
  @IsInt() @Min(1) @Max(4_000_000) @Type(() => Number) cacheTokens: number = 100_000;
}
