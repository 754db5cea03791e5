import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from './caller.js';
import { Health } from './health.js';

@Public()
@Controller()
export class HealthController {
  constructor(@Inject(Health) private readonly health: Health) {}

  /** The process answers. Says nothing of what it depends on: restarting would not mend that. */
  @Get('health/live')
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  /** The service can do its work; 503 with what is missing otherwise, and while it stops. */
  @Get('health/ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ status: string; troubles: string[] }> {
    const troubles = await this.health.troubles();
    if (troubles.length > 0) reply.status(503);
    return { status: troubles.length === 0 ? 'ready' : 'not-ready', troubles };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return this.health.metrics();
  }
}
