import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { providerRefusal } from '@writ/client';
import { countStranger, foundFor, TooManyCalls } from './budgets.js';
import type { Console } from './console.module.js';
import { clear, cookieOf, sessionCookie, setSession, setSignIn, signInCookie, signInSeconds } from './cookies.js';
import { problem, refuse } from './problem.js';
import { ProviderAway, type Begun, type Strength } from './provider.client.js';
import { returnPath } from './return-path.js';
import { keyFor, seal, unseal } from './sealing.js';

/** A sign-in under way, sealed in the browser's own cookie: nothing is kept here for strangers. */
interface UnderWay {
  begun: Begun;
  returnTo: string;
  /** The session that ends when the new one begins. */
  replaces?: string;
  /** Whom a step-up is for: it makes a sign-in stronger and never somebody else. */
  stepUpOf?: string;
}

type Asked = { return?: string; max_age?: string; acr_values?: string };

/** `/auth/login`, `/auth/step-up`, `/auth/callback`: where the browser itself goes. What goes wrong ends on the page, which says it in words. */
export function addSignIn(server: FastifyInstance, parts: Console): void {
  const { config, origin, provider, sessions, strangers, log } = parts;
  const key = keyFor('sign-in', parts.key);
  const toPage = (reply: FastifyReply, trouble: string) => reply.header('set-cookie', clear(signInCookie)).redirect(`/?problem=${trouble}`, 303);

  async function begin(request: FastifyRequest<{ Querystring: Asked }>, reply: FastifyReply, strength?: Strength): Promise<FastifyReply> {
    const returnTo = returnPath(String(request.query.return ?? '/'), config.consoleUrl);
    if (returnTo === undefined) return refuse(reply, problem(400, 'foreign-return', 'A sign-in leads back to a path of the console and nowhere else.', 'Leave "return" out.'));
    const replaces = cookieOf(request.headers.cookie, sessionCookie);
    const found = await foundFor(parts, request, (id) => sessions.find(id));
    if (strength && found === undefined) return reply.redirect(`/auth/login?return=${encodeURIComponent(returnTo)}`, 303);
    const { address, begun } = await provider.begin(strength);
    const underWay: UnderWay = { begun, returnTo, ...(found && { replaces }), ...(strength && { stepUpOf: found?.session.person.sub }) };
    return reply.header('set-cookie', setSignIn(seal(key, underWay))).redirect(address, 303);
  }

  async function finish(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const sealed = cookieOf(request.headers.cookie, signInCookie);
    const underWay = sealed === undefined ? undefined : unseal<UnderWay>(key, sealed);
    if (underWay === undefined || Date.now() - underWay.begun.beganAt > signInSeconds * 1_000) return toPage(reply, 'sign-in-stale');
    const { begun, returnTo, replaces, stepUpOf } = underWay;
    // Whoever comes back is a stranger until the provider has spoken, and a made-up code costs it a question.
    countStranger(strangers, request.ip);
    const { seconds, ...session } = await provider.finish(new URL(request.url, origin).search, begun, stepUpOf !== undefined);
    if (stepUpOf !== undefined && session.person.sub !== stepUpOf) return toPage(reply, 'other-person');
    // A new id for each sign-in: one that somebody planted or saw before is worth nothing after it. The old refresh token
    // is not revoked, because providers end what came from the same sign-in with it; with its session its only copy goes.
    const id = await sessions.open(session, seconds);
    if (replaces !== undefined) await sessions.end(replaces);
    log.info({ sub: session.person.sub, stepUp: stepUpOf !== undefined }, 'signed in');
    return reply.header('set-cookie', [setSession(id), clear(signInCookie)]).redirect(returnTo, 303);
  }

  /** Browsers come here by themselves: they are shown the page, not a problem document. */
  const onPage = <Request extends FastifyRequest>(work: (request: Request, reply: FastifyReply) => Promise<FastifyReply>) => async (request: Request, reply: FastifyReply) => {
    try {
      return await work(request, reply);
    } catch (error) {
      // The sign-in under way stays in its cookie: whoever waits may come back with it.
      if (error instanceof TooManyCalls) return reply.redirect('/?problem=too-many', 303);
      const refusal = providerRefusal(error);
      log.warn({ err: error, refusal }, 'a sign-in failed');
      return toPage(reply, error instanceof ProviderAway ? 'provider-away' : refusal === 'access_denied' ? 'sign-in-refused' : 'sign-in-failed');
    }
  };

  server.get<{ Querystring: Asked }>('/auth/login', onPage((request: FastifyRequest<{ Querystring: Asked }>, reply) => begin(request, reply)));
  server.get<{ Querystring: Asked }>('/auth/step-up', onPage((request: FastifyRequest<{ Querystring: Asked }>, reply) => begin(request, reply, strengthOf(request.query))));
  server.get('/auth/callback', onPage(finish));
}

/** From a service's challenge, by way of the page. Whatever is left out or made up, the service decides by what the provider says. */
function strengthOf({ max_age: maxAge, acr_values: acrValues }: Asked): Strength {
  return {
    ...(typeof maxAge === 'string' && /^\d{1,6}$/.test(maxAge) && { maxAge }),
    ...(typeof acrValues === 'string' && /^[\x21-\x7e]{1,255}( [\x21-\x7e]{1,255}){0,7}$/.test(acrValues) && { acrValues }),
  };
}
