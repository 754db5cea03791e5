import type { FastifyInstance } from 'fastify';
import { isTooDeep, maxDepth } from '@writ/contracts';
import { Problem } from './problems.js';

/**
 * Refuses what no route can mean, before any of them sees it: bodies nested without end, and NUL, which PostgreSQL
 * cannot keep in a text.
 */
export function refuseShapeless(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', async ({ url }) => {
    if (/%00|\0/.test(url)) throw new Problem({ status: 400, code: 'malformed-url', detail: 'The address holds a NUL character.', remedy: 'Leave it out.' });
  });
  fastify.addHook('preValidation', async ({ body }) => {
    if (isTooDeep(body)) throw new Problem({ status: 400, code: 'too-deep', detail: `The body nests deeper than ${maxDepth} levels.`, remedy: 'Send what the API describes.' });
  });
}
