import type { FastifyInstance } from 'fastify';
import type { ServiceConfig } from './config.js';
import type { Health } from './health.js';
import { later } from './problems.js';

/**
 * Says "later" to writers while too many events wait to be published: whatever was accepted is kept, and a broker that
 * is away for long does not fill the database. Reading, verifying and revoking go on.
 */
export function holdBackWriters(fastify: FastifyInstance, health: Health, config: ServiceConfig): void {
  const always = /\/(verify|verify-batch|introspect|revoke|suspend|burn|forward-auth|ext-authz|fleet|usage)\b/;
  fastify.addHook('onRequest', async (request) => {
    if (request.method === 'POST' && health.backlog.outboxUnsent > config.outboxLimit && !always.test(request.url)) {
      throw later('Too many events wait to be published.', 5);
    }
  });
}
