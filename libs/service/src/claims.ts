import type { JWTPayload } from 'jose';
import type { Caller } from './caller.js';
import { roles, type Role } from './config.js';

/** Where an identity provider says what; see the variables of the same names. */
export interface ClaimMapping {
  roleGroups: Partial<Record<Role, string[]>>;
  oidcGroupsClaim: string;
  oidcTeamClaim: string;
  oidcClientClaim: string;
}

export interface StepUpRule {
  stepUpSeconds: number;
  stepUpAcr?: string;
}

/** A provider's clock may run ahead of ours by this much. */
export const clockToleranceSeconds = 5;

/** Reads who calls out of a verified token. What has another shape than expected counts as not said: it gives no right. */
export function callerFrom(claims: JWTPayload, { roleGroups, oidcGroupsClaim, oidcTeamClaim, oidcClientClaim }: ClaimMapping): Caller {
  const said = claimAt(claims, oidcGroupsClaim);
  const groups = Array.isArray(said) ? said.filter((group) => typeof group === 'string') : [];
  const clientId = textAt(claims, oidcClientClaim);
  return {
    // `idtyp` is how Microsoft Entra marks the tokens of applications, whose subject is not their client id.
    kind: claims.sub === clientId || claims.idtyp === 'app' ? 'machine' : 'person',
    iss: claims.iss as string,
    sub: claims.sub as string,
    groups,
    roles: new Set(roles.filter((role) => roleGroups[role]?.some((group) => groups.includes(group)))),
    team: textAt(claims, oidcTeamClaim),
    clientId,
    authTime: typeof claims.auth_time === 'number' ? claims.auth_time : undefined,
    acr: typeof claims.acr === 'string' ? claims.acr : undefined,
  };
}

/** Whether the person signed in lately enough, and strongly enough, for what needs a fresh sign-in (RFC 9470). */
export function isSteppedUp({ authTime, acr }: Pick<Caller, 'authTime' | 'acr'>, { stepUpSeconds, stepUpAcr }: StepUpRule, now: Date): boolean {
  if (authTime === undefined) return false;
  const ago = now.getTime() / 1000 - authTime;
  return ago < stepUpSeconds && ago > -clockToleranceSeconds && (stepUpAcr === undefined || acr === stepUpAcr);
}

/** A claim by its name, or by a path of names with dots between them where no claim has that name. */
function claimAt(claims: JWTPayload, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name.split('.').reduce<unknown>((value, part) => (isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined), claims);
}

function textAt(claims: JWTPayload, name: string): string | undefined {
  const value = claimAt(claims, name);
  return typeof value === 'string' ? value : undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
