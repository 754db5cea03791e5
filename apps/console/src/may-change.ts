import { timingSafeEqual } from 'node:crypto';
import { problem, type Problem } from './problem.js';

export interface Sent {
  method: string;
  origin: string | undefined;
  contentType: string | undefined;
}

/** GET and HEAD change nothing here, and other pages cannot read their answers. */
export const changesNothing = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** A browser says truly from which page a call comes, and a foreign page cannot send JSON without asking first. */
export function refusalOf({ method, origin, contentType }: Sent, own: string): Problem | undefined {
  if (changesNothing(method)) return undefined;
  if (origin !== own) return problem(403, 'foreign-origin', 'This call does not come from the console’s own page.', 'Call the services directly with a bearer token instead.');
  if (method !== 'DELETE' && !/^application\/json\s*(;|$)/i.test(contentType ?? '')) return problem(415, 'unsupported-media-type', 'The body’s media type is not accepted here.', 'Send JSON.');
  return undefined;
}

/** The second proof: a header whose value only a page that could read this session's answers knows. */
export function refusalOfToken(given: unknown, expected: string): Problem | undefined {
  const [shown, wanted] = [Buffer.from(typeof given === 'string' ? given : ''), Buffer.from(expected)];
  return shown.length === wanted.length && timingSafeEqual(shown, wanted) ? undefined : problem(403, 'csrf-needed', 'X-Writ-CSRF is missing or of another session.', 'Read it from /auth/me again.');
}
