import type { FastifyRequest } from 'fastify';
import { Budgets, type FailingSources } from '@writ/gateway';
import { cookieOf, sessionCookie } from './cookies.js';

/** Somebody is over their share; the message says who. */
export class TooManyCalls extends Error {
  constructor(message: string, readonly waitMs: number) {
    super(message);
  }
}

/** A session's budget holds so many seconds of its rate at once. */
const secondsAtOnce = 20;

/** How fast each session may call. */
export class Turns {
  private readonly budgets = new Budgets();
  private readonly budget: { perSecond: number; atOnce: number };

  constructor(perSecond: number) {
    this.budget = { perSecond, atOnce: perSecond * secondsAtOnce };
  }

  /** Refuses a session that has no turn left, before anybody is asked about it. @throws TooManyCalls */
  look(id: string): void {
    refuseFor(this.budgets.look(id, this.budget, performance.now()));
  }

  /** Takes a turn of a session that lives: only those are remembered, so that made-up ones crowd none of them out. @throws TooManyCalls */
  take(id: string): void {
    refuseFor(this.budgets.take(id, this.budget, performance.now()));
  }
}

function refuseFor(waitMs: number): void {
  if (waitMs > 0) throw new TooManyCalls('You call faster than the console answers one session.', waitMs);
}

/**
 * Counts a call of somebody who has no living session, against their address. Whoever has one is never counted, so that
 * nobody who is signed in waits for what a neighbour does.
 * @throws TooManyCalls
 */
export function countStranger(strangers: FailingSources, address: string): void {
  const waitMs = strangers.failed(address);
  if (waitMs > 0) throw new TooManyCalls('Too many calls from this address could not prove who sent them.', waitMs);
}

/**
 * What a door finds for the session that the browser names: each call takes a turn of it, or counts against the address
 * where there is none. Signing out alone does without: nobody is kept in a session because somebody uses it too much.
 * @throws TooManyCalls
 */
export async function foundFor<Found>(
  { turns, strangers }: { turns: Turns; strangers: FailingSources }, request: FastifyRequest, find: (id: string) => Promise<Found | undefined>,
): Promise<Found | undefined> {
  const id = cookieOf(request.headers.cookie, sessionCookie);
  if (id !== undefined) turns.look(id);
  const found = id === undefined ? undefined : await find(id);
  if (id === undefined || found === undefined) {
    countStranger(strangers, request.ip);
    return undefined;
  }
  turns.take(id);
  return found;
}
