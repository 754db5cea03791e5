import type { FastifyReply } from 'fastify';

/** A no, as an RFC 9457 problem document says it; docs/errors.md has an entry for each code. */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  remedy?: string;
  retryAfterSeconds?: number;
}

export const problem = (status: number, code: string, detail: string, remedy?: string): Problem => ({ status, code, detail, remedy });

export const notSignedIn = problem(401, 'not-authenticated', 'Nobody is signed in here.', 'Sign in.');
const later = (detail: string): Problem => ({ ...problem(503, 'later', detail, 'Try again in 1 s.'), retryAfterSeconds: 1 });
export const redisAway = later('Sessions cannot be read just now.');
export const providerAway = later('The identity provider does not answer.');
export const tooManyCalls = (detail: string, waitMs: number): Problem => {
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return { ...problem(429, 'rate-limited', detail, `Try again in ${seconds} s.`), retryAfterSeconds: seconds };
};

export function refuse(reply: FastifyReply, { status, code, detail, remedy, retryAfterSeconds }: Problem): FastifyReply {
  const title = code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ');
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
  return reply.status(status).type('application/problem+json').send(JSON.stringify({ type: `urn:writ:problem:${code}`, title, status, code, detail, remedy }));
}
