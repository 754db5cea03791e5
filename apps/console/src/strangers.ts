import type { FailingSources } from '@writ/gateway';

/** Too many strangers come from one address. */
export class TooManyStrangers extends Error {
  constructor(readonly waitMs: number) {
    super('Too many calls from one address could not prove who sent them.');
  }
}

/**
 * Counts a call of somebody who has no living session, against their address. Whoever has one is never counted, so that
 * nobody who is signed in waits for what a neighbour does.
 * @throws TooManyStrangers
 */
export function countStranger(strangers: FailingSources, address: string): void {
  const waitMs = strangers.failed(address);
  if (waitMs > 0) throw new TooManyStrangers(waitMs);
}
