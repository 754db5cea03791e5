import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { jwtVerify, type JWTVerifyGetKey } from 'jose';
import { JOSEError, JWTExpired } from 'jose/errors';
import { Budgets, type FailingSources } from '@writ/gateway';
import type { Clock } from './clock.js';
import { accessKey, type AccessRule, type Caller, type WithCaller } from './caller.js';
import { callerFrom, clockToleranceSeconds, isSteppedUp, type StepUpRule } from './claims.js';
import type { Role, ServiceConfig } from './config.js';
import { later, Problem, rateLimited } from './problems.js';
import { keysAddress, providerKeys } from './provider-keys.js';

/** Tells which gateway sent an `Authorization` header, or that none did; the issuer has the register. */
export abstract class GatewayRegister {
  abstract authenticate(authorization: string | undefined): Promise<Caller | undefined>;
}

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const discoveryTimeoutMs = 5_000;
/** A caller's budget holds so many seconds of its rate at once. */
const secondsAtOnce = 20;

/** Checks bearer tokens of the one configured identity provider (RFC 9068, or a JWT with the same claims). */
export class Bearers {
  private keys?: Promise<JWTVerifyGetKey>;

  constructor(private readonly config: ServiceConfig, private readonly clock: Clock) {}

  async authenticate(token: string): Promise<Caller> {
    const { oidcIssuer, oidcAudience } = this.config;
    const keys = await this.keySet();
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: oidcIssuer, audience: oidcAudience, algorithms, currentDate: this.clock.now(), clockTolerance: clockToleranceSeconds, requiredClaims: ['exp', 'sub'],
      });
      return callerFrom(payload, this.config);
    } catch (error) {
      if (error instanceof JWTExpired) throw notAuthenticated('The bearer token has expired.');
      if (error instanceof JOSEError) throw notAuthenticated('The bearer token is not valid here.');
      throw error;
    }
  }

  /** Found once, for all who ask meanwhile: however many bearers come, the provider is asked one question at a time. Tried again after a failure. */
  private keySet(): Promise<JWTVerifyGetKey> {
    if (this.keys === undefined) {
      this.keys = this.discovered();
      this.keys.catch(() => { this.keys = undefined; });
    }
    return this.keys;
  }

  private async discovered(): Promise<JWTVerifyGetKey> {
    const { oidcIssuer } = this.config;
    try {
      const answer = await fetch(`${oidcIssuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(discoveryTimeoutMs), redirect: 'error' });
      const address = keysAddress(await answer.json(), oidcIssuer);
      if (address === undefined) throw new Error('unusable discovery document');
      return providerKeys(address);
    } catch {
      throw later('The identity provider does not answer.');
    }
  }
}

function notAuthenticated(detail: string): Problem {
  return new Problem({
    status: 401, code: 'not-authenticated', detail, remedy: 'Sign in again, or send valid credentials.', headers: { 'www-authenticate': 'Bearer realm="writ"' },
  });
}

/** Stands before every route. A route without a rule lets nobody in; {@link assertEveryRouteHasRule} finds it at boot. */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly callers = new Budgets();

  constructor(
    private readonly reflector: Reflector,
    private readonly bearers: Bearers,
    private readonly config: ServiceConfig,
    private readonly clock: Clock,
    private readonly failing: FailingSources,
    private readonly gateways?: GatewayRegister,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // The broker's permissions and the doors' checks guard the bus.
    const rule = this.reflector.getAllAndOverride<AccessRule | undefined>(accessKey, [context.getHandler(), context.getClass()]);
    const request = context.switchToHttp().getRequest<FastifyRequest & WithCaller>();
    context.switchToHttp().getResponse<FastifyReply>().header('cache-control', 'no-store');
    if (!rule) throw new Problem({ status: 403, code: 'forbidden', detail: 'Nobody may call this route.' });
    if (rule.kind === 'public') return true;
    try {
      request.caller = rule.kind === 'gateway' ? await this.gateway(request) : await this.bearer(request, rule.roles, rule.stepUp ?? false);
    } catch (error) {
      const isProof = error instanceof Problem && error.facts.code === 'not-authenticated';
      throw isProof ? failureFrom(request.ip, this.failing) ?? error : error;
    }
    return true;
  }

  private async bearer(request: FastifyRequest, allowed: readonly Role[], stepUp: boolean): Promise<Caller> {
    const token = bearerOf(request);
    if (!token) throw notAuthenticated('This route needs a bearer token.');
    const caller = await this.bearers.authenticate(token);
    this.takeTurn(caller);
    if (allowed.length > 0 && !allowed.some((role) => caller.roles.has(role))) {
      throw new Problem({ status: 403, code: 'forbidden', detail: `This needs the role ${allowed.join(' or ')}.`, remedy: 'Ask for the group that gives the role.' });
    }
    if (stepUp) mustBeSteppedUp(caller, this.config, this.clock.now());
    return caller;
  }

  /**
   * Whoever proved who they are has a budget, at every door for bearers. Who did not takes from that of their address, which
   * may be anybody's, and so counts for failures alone.
   */
  private takeTurn({ iss, sub }: Caller): void {
    const perSecond = this.config.callsPerSecond;
    const waitMs = this.callers.take(JSON.stringify([iss, sub]), { perSecond, atOnce: perSecond * secondsAtOnce }, performance.now());
    if (waitMs > 0) throw rateLimited('You call faster than this service answers one caller.', waitMs);
  }

  private async gateway(request: FastifyRequest): Promise<Caller> {
    const caller = await this.gateways?.authenticate(request.headers.authorization);
    if (!caller) {
      throw new Problem({
        status: 401, code: 'not-authenticated', detail: 'This route needs a gateway’s client credentials.', remedy: 'Send them with HTTP Basic authentication.', headers: { 'www-authenticate': 'Basic realm="writ"' },
      });
    }
    return caller;
  }
}

/** What is said instead of 401 to whoever comes from a source that fails too often; undefined as long as it does not. */
export function failureFrom(address: string, failing: FailingSources): Problem | undefined {
  const waitMs = failing.failed(address);
  return waitMs > 0 ? rateLimited('Too many calls from this address could not prove who sent them.', waitMs) : undefined;
}

/** For routes where only some calls need what {@link AllowAfterStepUp} asks of all. @throws Problem `step-up-needed` */
export function mustBeSteppedUp(caller: Caller, { stepUpSeconds, stepUpAcr }: StepUpRule, now: Date): void {
  if (isSteppedUp(caller, { stepUpSeconds, stepUpAcr }, now)) return;
  // RFC 9470: which authentication would do.
  const challenge = `Bearer error="insufficient_user_authentication", max_age="${stepUpSeconds}"${stepUpAcr ? `, acr_values="${stepUpAcr}"` : ''}`;
  throw new Problem({ status: 401, code: 'step-up-needed', detail: 'This needs a fresh sign-in.', remedy: 'Sign in again and repeat it.', headers: { 'www-authenticate': challenge } });
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^bearer (.*)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim();
}
