import { Type, type ClassConstructor } from 'class-transformer';
import { IsArray, IsISO8601, IsString, Matches, MaxLength, MinLength, ValidateBy, ValidateNested, type ValidationOptions } from 'class-validator';
import { durationSeconds } from './durations.js';
import { idPattern, type IdPrefix } from './ids.js';

/** The field rules that events and HTTP bodies share. Each is one decorator, so that a rule changes in one place. */

type FieldRule = (options?: ValidationOptions) => PropertyDecorator;

function all(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (target, key) => decorators.forEach((decorate) => decorate(target, key));
}

function matching(pattern: RegExp, what: string): FieldRule {
  return (options) => Matches(pattern, { message: `$property is not ${what}`, ...options });
}

function id(prefix: IdPrefix, what: string): FieldRule {
  return matching(idPattern(prefix), `${what} (${prefix}_ and 26 characters)`);
}

export const IsRequestId = id('req', 'a request id');
export const IsTokenId = id('tok', 'a token id');
export const IsRotationId = id('rot', 'a rotation id');
export const IsAlertId = id('alr', 'an alert id');
export const IsReportId = id('rep', 'a report id');
export const IsVerifierId = id('vrf', 'a verifier id');
export const IsDigest = matching(/^sha256:[0-9a-f]{64}$/, 'a digest (sha256: and 64 hexadecimal digits)');

/** A stable code in kebab-case; who reads it tolerates ones it does not know. */
export const IsCode = matching(/^[a-z][a-z0-9-]{0,63}$/, 'a code in kebab-case');
/** A name of a resource, team, group or upstream: starts with a letter or digit, at most 64 characters. */
export const IsName = matching(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a name of lower-case letters, digits, dot, dash and underscore');
/** An environment, as it stands inside the secret's prefix. */
export const IsEnvironment = matching(/^[a-z0-9]{1,16}$/, 'an environment of lower-case letters and digits');
/** A scope; `*` passes here, because only policy says that wildcards are never issued. */
export const IsScope = matching(/^[a-z0-9*][a-z0-9._:*/-]{0,127}$/, 'a scope');
/** The name of a person, service or machine as its identity provider or registry knows it. */
export const IsSubject = matching(/^[\x21-\x7e]{1,256}$/, 'a subject of at most 256 printable characters');
/** Three base64url parts: a compact JWS. */
export const IsStatement = matching(/^[\w-]+\.[\w-]+\.[\w-]+$/, 'a compact JWS');

/** One object of a class. `ValidateNested` alone lets pass what is not there, a list, and nothing in its place. */
export function IsPart(of: () => ClassConstructor<object>): PropertyDecorator {
  return all(IsRecord(), ValidateNested(), Type(of));
}

/** A list of such objects. */
export function IsParts(of: () => ClassConstructor<object>): PropertyDecorator {
  return all(IsArray(), IsRecord({ each: true }), ValidateNested({ each: true }), Type(of));
}

function IsRecord(options?: ValidationOptions): PropertyDecorator {
  const validate = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  return ValidateBy({ name: 'isRecord', validator: { validate, defaultMessage: () => '$property is not one object' } }, options);
}

/** Text a person wrote: 1 to `max` characters. */
export function IsText(max: number): PropertyDecorator {
  return all(IsString(), MinLength(1, { message: '$property is empty' }), MaxLength(max), IsWellFormed());
}

/** A time as RFC 3339 writes it in UTC. */
export function IsTime(): PropertyDecorator {
  return all(
    Matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, { message: '$property is not a time such as 2026-01-31T12:00:00Z' }),
    IsISO8601({ strict: true }),
  );
}

/** An ISO 8601 duration longer than nothing, of weeks, days, hours, minutes and seconds. */
export function IsDuration(): PropertyDecorator {
  return ValidateBy({
    name: 'isDuration',
    validator: {
      validate: (value) => typeof value === 'string' && (durationSeconds(value) ?? 0) > 0,
      defaultMessage: () => '$property is not a duration such as P30D or PT12H (no months or years)',
    },
  });
}

/** Text without lone surrogates, which have no canonical form, and without NUL, which PostgreSQL cannot store. */
export function IsWellFormed(): PropertyDecorator {
  return ValidateBy({
    name: 'isWellFormed',
    validator: {
      validate: (value) => typeof value === 'string' && value.isWellFormed() && !value.includes('\u0000'),
      defaultMessage: () => '$property has NUL or characters that are no valid Unicode',
    },
  });
}
