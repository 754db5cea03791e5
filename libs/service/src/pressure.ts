import { SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { changesNothingKey } from './caller.js';
import type { ServiceConfig } from './config.js';
import type { Health } from './health.js';
import { later } from './problems.js';

const goesOnKey = 'writ:goes-on';
/** This route goes on while writers are held back: it stops something, reports it, or serves those who verify. */
export const GoesOn = () => SetMetadata(goesOnKey, true);

/**
 * Says "later" to writers while too many events wait to be published: whatever was accepted is kept, and a broker that
 * is away for long does not fill the database. Reading, verifying and stopping go on.
 */
export class Pressure implements CanActivate {
  constructor(private readonly reflector: Reflector, private readonly health: Health, private readonly config: ServiceConfig) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http' || this.health.backlog.outboxUnsent <= this.config.outboxLimit) return true;
    const { method } = context.switchToHttp().getRequest<FastifyRequest>();
    const targets = [context.getHandler(), context.getClass()];
    const goesOn = method === 'GET' || method === 'HEAD' || [goesOnKey, changesNothingKey].some((key) => this.reflector.getAllAndOverride<boolean | undefined>(key, targets));
    if (!goesOn) throw later('Too many events wait to be published.', 5);
    return true;
  }
}
