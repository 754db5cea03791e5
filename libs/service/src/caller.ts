import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '@writ/contracts';
import type { Role } from './config.js';

/** A person or machine that proved who it is. */
export interface Caller extends Principal {
  kind: 'person' | 'machine' | 'gateway';
  roles: ReadonlySet<Role>;
  groups: readonly string[];
  /** The team that the identity provider or registry says. */
  team?: string;
  clientId?: string;
  /** When the person last signed in, in seconds since 1970. */
  authTime?: number;
  acr?: string;
  /** A gateway's audiences. */
  audiences?: readonly string[];
}

export type AccessRule =
  | { kind: 'public' }
  | { kind: 'bearer'; roles: readonly Role[]; stepUp?: boolean }
  | { kind: 'gateway' };

export const accessKey = 'writ:access';
const rule = (access: AccessRule) => SetMetadata(accessKey, access);

/** Anyone may call this route. */
export const Public = () => rule({ kind: 'public' });
/** Whoever has a bearer token with one of these roles may call this route; none named means any of them. */
export const Allow = (...roles: Role[]) => rule({ kind: 'bearer', roles });
/** Like {@link Allow}, and the sign-in must be recent. */
export const AllowAfterStepUp = (...roles: Role[]) => rule({ kind: 'bearer', roles, stepUp: true });
/** Registered gateways may call this route, with their client credentials. */
export const AllowGateway = () => rule({ kind: 'gateway' });

export const changesNothingKey = 'writ:changes-nothing';
/** This route computes an answer and leaves everything as it is, although its method could change something. */
export const ChangesNothing = () => SetMetadata(changesNothingKey, true);

export interface WithCaller {
  caller?: Caller;
}

/** The authenticated caller of a route that is not public. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<WithCaller>();
  if (!caller) throw new Error('This route has no caller: it is public.');
  return caller;
});

export function principalOf(caller: Principal): Principal {
  return { iss: caller.iss, sub: caller.sub };
}
