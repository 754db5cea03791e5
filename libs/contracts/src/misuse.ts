import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { IsCode, IsEnvironment, IsName, IsScope, IsText } from './fields.js';

/** What the monitor may make of what it sees, weakest first. */
export const misuseActions = ['note', 'notify', 'suspend', 'revoke'] as const;
export type MisuseAction = (typeof misuseActions)[number];

export const detectors = [
  'honeytoken', 'honeytoken-source', 'burst-from-new-network', 'rate', 'new-network', 'new-caller', 'awakening', 'denied-scopes', 'dead-secret', 'one-source-many-tokens', 'new-country', 'impossible-travel',
] as const;
export type Detector = (typeof detectors)[number];

/** An owner's id, or the beginning of many and a `*`. */
export const ownerPattern = /^[\x21-\x29\x2b-\x7e]{1,255}\*?$/;

/**
 * How far detectors may go by themselves, as the active policy set says. A rule applies to what it names; what it leaves
 * out stands for any. Of all that apply the strictest holds.
 */
export class ResponseRule {
  @IsCode() id!: string;
  /** The rule's own words. */
  @IsText(512) reason!: string;
  @IsIn(misuseActions) most!: MisuseAction;
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @IsCode({ each: true }) detectors?: string[];
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(256) @IsString({ each: true }) @MaxLength(256, { each: true }) @Matches(ownerPattern, { each: true }) owners?: string[];
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(256) @IsName({ each: true }) teams?: string[];
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(256) @IsName({ each: true }) resources?: string[];
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(256) @IsEnvironment({ each: true }) environments?: string[];
  /** Applies to a token that has at least one of these. */
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(1024) @IsScope({ each: true }) scopes?: string[];
}
