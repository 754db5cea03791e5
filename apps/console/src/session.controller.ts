import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { countStranger, foundFor } from './budgets.js';
import type { Console } from './console.module.js';
import { clear, cookieOf, sessionCookie } from './cookies.js';
import { changesNothing, refusalOfToken } from './may-change.js';
import { notSignedIn, refuse } from './problem.js';
import { keyFor } from './sealing.js';

/** What the page has to send in `X-Writ-CSRF`: derived from the session's id, so there is nothing to keep. */
export const csrfOf = (key: Buffer, sessionId: string): string => keyFor('csrf', key, sessionId).toString('base64url');

/** A hook for routes that need a session: refuses who brings none, and changes without the session's own header. Whether it lives is Redis's to say. */
export const needsSession = ({ key, strangers }: Console) => async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
  const id = cookieOf(request.headers.cookie, sessionCookie);
  if (id === undefined) {
    countStranger(strangers, request.ip);
    return refuse(reply, notSignedIn);
  }
  const refusal = changesNothing(request.method) ? undefined : refusalOfToken(request.headers['x-writ-csrf'], csrfOf(key, id));
  return refusal && refuse(reply, refusal);
};

/** `/auth/me` and `/auth/logout`. */
export function addSession(server: FastifyInstance, parts: Console): void {
  const { key, sessions, provider, strangers, log } = parts;
  server.get('/auth/me', async (request) => {
    const id = cookieOf(request.headers.cookie, sessionCookie);
    if (id === undefined) return { signedIn: false };
    const found = await foundFor(parts, request, (each) => sessions.find(each));
    return found === undefined ? { signedIn: false } : { signedIn: true, ...found.session.person, csrf: csrfOf(key, id) };
  });

  /** The session ends first, whatever the provider then does. Answers where the browser ends the provider's own session. */
  server.post('/auth/logout', { onRequest: needsSession(parts) }, async (request, reply) => {
    const id = cookieOf(request.headers.cookie, sessionCookie) ?? '';
    const found = await sessions.find(id);
    if (found === undefined) countStranger(strangers, request.ip);
    await sessions.end(id);
    void reply.header('set-cookie', clear(sessionCookie));
    if (found === undefined) return { endSession: null, revoked: true };
    const { refreshToken, idToken, person } = found.session;
    const revoked = refreshToken === undefined || await provider.revoke(refreshToken);
    log.info({ sub: person.sub, revoked }, 'signed out');
    return { endSession: await provider.endSession(idToken) ?? null, revoked };
  });
}
