import type { Party } from '@writ/contracts';
import { encodeFields } from '@writ/token';

/**
 * `offering`: its tokens were not all looked at; `waiting`: for the end; `ended`: nothing of it is left to do;
 * `reinstated`: an administrator had the owner back;
 * `forged`: somebody edited the row, and nothing follows from it until the identity system says anew who left.
 */
export type DepartureState = 'offering' | 'waiting' | 'ended' | 'reinstated' | 'forged';

export interface Departure {
  owner_id: string;
  deactivated_at: Date;
  ends_at: Date;
  /** Who takes over, as the identity system named them. */
  transfer_to: Party | null;
  state: DepartureState;
  /** Head of the state log when it was heard: a row that is put back hands on nothing that was issued since. */
  heard_seq: string;
}

/** What the identity system says. Times of the database. */
export interface Leaving {
  ownerId: string;
  deactivatedAt: Date;
  transferTo?: Party;
  now: Date;
  headSeq: string;
  /** How long colleagues may take over; 0 = nothing is offered. */
  transferSeconds: number;
}

/** Said again it may name who takes over, but gives no more time; of somebody who left, came back and leaves again nothing of before counts. */
export function departureAfter(before: Departure | undefined, { ownerId, deactivatedAt, transferTo, now, headSeq, transferSeconds }: Leaving): Departure {
  const running = before?.state === 'ended' || before?.state === 'reinstated' ? undefined : before;
  const successor = transferTo && transferTo.id !== ownerId ? { id: transferTo.id, team: transferTo.team } : null;
  const isOffered = transferSeconds > 0 || successor !== null;
  return {
    owner_id: ownerId,
    deactivated_at: new Date(Math.min(deactivatedAt.getTime(), now.getTime())),
    ends_at: running?.ends_at ?? new Date(now.getTime() + transferSeconds * 1000),
    transfer_to: successor ?? running?.transfer_to ?? null,
    state: running || isOffered ? 'offering' : 'ended',
    heard_seq: running?.heard_seq ?? headSeq,
  };
}

/** The bytes that a departure's MAC covers: all of it. */
export function departureBytes({ owner_id, deactivated_at, ends_at, transfer_to, state, heard_seq }: Departure): Buffer {
  return encodeFields('writ/departure/v1', [
    owner_id, deactivated_at.toISOString(), ends_at.toISOString(), transfer_to?.id, transfer_to?.team, state, Number(heard_seq),
  ]);
}
