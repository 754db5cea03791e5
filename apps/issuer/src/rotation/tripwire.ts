/** A network that a token was used from, with success. */
export interface KnownCaller {
  network: string;
  firstSeenAt: Date;
}

/** Somebody showed a secret that has a successor. */
export interface RetiredUse {
  /** The /24 or /48 that it came from, empty where the gateway did not say. */
  network: string;
  /** Why the secret ended. */
  retiredCode: string;
  retiredAt: Date;
}

export type TripVerdict =
  /** From where the token was never used: somebody else may have the old secret. */
  | 'stranger'
  /** One of its own consumers has not changed over. */
  | 'known'
  /** Nothing can be said of who it is, or nothing that a stop would mend. */
  | 'unsaid';

/** Ends that its consumers had every chance to hear of. After a leak, or a lost answer, strangers are expected. */
const plannedEnds = new Set(['deadline', 'no-traffic', 'forced']);
const recentMs = 10 * 86_400_000;
const fewMoves = 3;

/**
 * Judges the use of a retired secret of a living token. A wrong stop costs an honest consumer its work, so every doubt
 * counts for the caller: a neighbouring network is known, and who took up several networks of late has no strangers.
 * The user agent does not count: anybody can send one.
 * @param windowMs so long after its end a secret can suspend its token
 */
export function judgeRetiredUse({ network, retiredCode, retiredAt }: RetiredUse, callers: readonly KnownCaller[], windowMs: number, now: Date): TripVerdict {
  if (network !== '' && callers.some((caller) => wider(caller.network) === wider(network))) return 'known';
  if (!plannedEnds.has(retiredCode) || now.getTime() - retiredAt.getTime() > windowMs) return 'unsaid';
  if (network === '' || callers.length === 0) return 'unsaid';
  const moves = callers.filter(({ firstSeenAt }) => now.getTime() - firstSeenAt.getTime() < recentMs).length;
  return moves > fewMoves ? 'unsaid' : 'stranger';
}

/** The /16 around a /24, the /32 around a /48. */
function wider(network: string): string {
  return network.split(/[.:]/, 2).join();
}
