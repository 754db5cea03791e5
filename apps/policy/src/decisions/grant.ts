import { durationSeconds, type AcceptedRequest, type Grant, type Narrowing } from '@writ/contracts';
import type { Obligations } from '@writ/policy';

export type EmptyGrant = 'narrowed-to-nothing' | 'end-has-passed';

/**
 * Requested ∩ obligations ∩ every vote, with the earliest end.
 * @returns why nothing is left, where nothing is
 */
export function grantOf(request: AcceptedRequest, obligations: Obligations, narrowings: readonly Narrowing[], now: Date): Grant | EmptyGrant {
  const scopes = [...new Set(request.scopes)].sort().filter((scope) => narrowings.every((narrow) => narrow.scopes?.includes(scope) ?? true));
  if (scopes.length === 0) return 'narrowed-to-nothing';
  const ttlSeconds = least([request.ttl === undefined ? undefined : durationSeconds(request.ttl), obligations.maxTtlSeconds]);
  const expiresAt = earliest([request.expiresAt, ...narrowings.map((narrow) => narrow.expiresAt)]);
  if (expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime()) return 'end-has-passed';
  const { rotateSeconds, graceSeconds } = obligations;
  return {
    scopes,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(rotateSeconds === undefined ? {} : { rotateSeconds }),
    ...(graceSeconds === undefined ? {} : { graceSeconds }),
  };
}

/** What obeys both. */
export function stricter(a: Obligations, b: Obligations): Obligations {
  const both = (name: keyof Obligations) => {
    const value = least([a[name], b[name]]);
    return value === undefined ? {} : { [name]: value };
  };
  return { ...both('maxTtlSeconds'), ...both('rotateSeconds'), ...both('graceSeconds') };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function earliest(times: readonly (string | undefined)[]): string | undefined {
  return times.filter((time) => time !== undefined).sort((a, b) => Date.parse(a) - Date.parse(b))[0];
}
