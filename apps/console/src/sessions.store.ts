import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { keyFor, nameOf, newSecret, seal, unseal } from './sealing.js';

/** Who signed in, as the id token says it. */
export interface Person {
  sub: string;
  iss: string;
  name?: string;
  team?: string;
  groups?: string[];
}

/** What a session holds; outside this process only sealed. */
export interface Session {
  person: Person;
  accessToken: string;
  refreshToken?: string;
  idToken: string;
}

/** What the provider gave for a refresh token. Nothing where it will give no more. */
export type Renewed = Pick<Session, 'accessToken' | 'refreshToken'> & { seconds: number } | undefined;

/** Redis does not answer: nothing is known of any session just now. */
export class SessionsAway extends Error {}

export interface Lengths {
  idleSeconds: number;
  seconds: number;
}

const answerWithinMs = 2_000;
const renewWithinMs = 25_000;
const lookEveryMs = 50;
/** An access token is renewed when it has less than this left, or less than half of a short life. */
const renewBeforeSeconds = 60;
/** Deletes the lock only for whoever holds it. */
const unlock = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/**
 * Sessions in Redis, shared by all replicas and allowed to be lost: then people sign in again. Three keys for each, all
 * under the hash of its id, so that nothing but Redis's own clock says what has ended: `session` holds the sealed tokens
 * and ends for good, `seen` ends when nobody came, `fresh` when the access token has to be renewed.
 */
export class Sessions {
  private readonly redis: Redis;

  constructor(url: string, private readonly key: Buffer, private readonly lengths: Lengths, onTrouble: (error: Error) => void) {
    this.redis = new Redis(url, {
      commandTimeout: answerWithinMs, connectTimeout: answerWithinMs, maxRetriesPerRequest: 1, autoResendUnfulfilledCommands: false, retryStrategy: (times) => Math.min(2_000, times * 100),
    });
    this.redis.on('error', onTrouble);
  }

  /** Keeps a new session under a new id, which is the only thing that finds and opens it. */
  async open(session: Session, freshSeconds: number): Promise<string> {
    const id = newSecret();
    const { idleSeconds, seconds } = this.lengths;
    await asked(this.redis.multi()
      .set(at('session', id), this.sealed(id, session), 'EX', seconds)
      .set(at('seen', id), '1', 'EX', idleSeconds)
      .set(at('fresh', id), '1', 'EX', freshFor(freshSeconds))
      .exec());
    return id;
  }

  /** The session, which counts as used now; nothing where it never was, has ended, or was tampered with. */
  async find(id: string): Promise<{ session: Session; isFresh: boolean } | undefined> {
    const answers = await asked(this.redis.multi().get(at('session', id)).expire(at('seen', id), this.lengths.idleSeconds).exists(at('fresh', id)).exec());
    const [sealed, seen, fresh] = (answers ?? []).map(([, answer]) => answer);
    if (typeof sealed !== 'string' || seen !== 1) return undefined;
    const session = unseal<Session>(keyFor('session', this.key, id), sealed);
    return session && { session, isFresh: fresh === 1 };
  }

  /** Ends a session here, for every replica, with the next call. */
  async end(id: string): Promise<void> {
    await asked(this.redis.del(at('session', id), at('seen', id), at('fresh', id)));
  }

  /**
   * The session with an access token that is good for a while. One call of one replica renews it and the others wait: a
   * refresh token is good once, and showing it twice ends the whole sign-in. If that one crashes between the
   * provider's answer and writing it down, the new refresh token is lost, the next renewal is refused, and the person
   * signs in again.
   */
  async findFresh(id: string, renew: (refreshToken: string) => Promise<Renewed>): Promise<Session | undefined> {
    for (const end = performance.now() + renewWithinMs; performance.now() < end; await pause(lookEveryMs)) {
      const found = await this.find(id);
      if (found === undefined || found.isFresh) return found?.session;
      const mark = newSecret();
      if (await asked(this.redis.set(at('renewing', id), mark, 'PX', renewWithinMs, 'NX')) === null) continue;
      try {
        return await this.renewed(id, renew);
      } finally {
        await asked(this.redis.eval(unlock, 1, at('renewing', id), mark));
      }
    }
    throw new SessionsAway('The access token was not renewed in time.');
  }

  /** Whoever waited for the lock looks again first: the holder before them may have renewed it. */
  private async renewed(id: string, renew: (refreshToken: string) => Promise<Renewed>): Promise<Session | undefined> {
    const found = await this.find(id);
    if (found === undefined || found.isFresh) return found?.session;
    const { refreshToken } = found.session;
    const answer = refreshToken === undefined ? undefined : await renew(refreshToken);
    if (answer === undefined) {
      await this.end(id);
      return undefined;
    }
    const session = { ...found.session, accessToken: answer.accessToken, refreshToken: answer.refreshToken ?? refreshToken };
    // Only where it still is: who signed out meanwhile stays signed out. Its end stays what it was.
    const kept = await asked(this.redis.set(at('session', id), this.sealed(id, session), 'KEEPTTL', 'XX'));
    if (kept === null) return undefined;
    await asked(this.redis.set(at('fresh', id), '1', 'EX', freshFor(answer.seconds)));
    return session;
  }

  /** Names what is wrong with Redis, or nothing. */
  async trouble(): Promise<string | undefined> {
    return this.redis.ping().then(() => undefined, () => 'Redis does not answer');
  }

  async close(): Promise<void> {
    await this.redis.quit().catch(() => this.redis.disconnect());
  }

  private sealed(id: string, session: Session): string {
    return seal(keyFor('session', this.key, id), session);
  }
}

const at = (what: 'session' | 'seen' | 'fresh' | 'renewing', id: string): string => `writ:console:${what}:${nameOf(id)}`;

const freshFor = (seconds: number): number => Math.max(1, Math.floor(seconds - Math.min(renewBeforeSeconds, seconds / 2)));

async function asked<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    throw new SessionsAway('Redis does not answer.', { cause });
  }
}
