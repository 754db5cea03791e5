import type { FastifyReply } from 'fastify';

/** A no, as an RFC 9457 problem document says it; docs/errors.md has an entry for each code. */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  remedy?: string;
}

export const problem = (status: number, code: string, detail: string, remedy?: string): Problem => ({ status, code, detail, remedy });

export const notSignedIn = problem(401, 'not-authenticated', 'Nobody is signed in here.', 'Sign in.');
export const redisAway = problem(503, 'later', 'Sessions cannot be read just now.', 'Try again in 1 s.');

export function refuse(reply: FastifyReply, { status, code, detail, remedy }: Problem): FastifyReply {
  const title = code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ');
  if (status === 503) void reply.header('retry-after', '1');
  return reply.status(status).type('application/problem+json').send(JSON.stringify({ type: `urn:writ:problem:${code}`, title, status, code, detail, remedy }));
}
