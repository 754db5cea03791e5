import { randomBytes } from 'node:crypto';
import { eventTypes, type Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { AppendStore } from './append.store.js';
import { candidateOf, type Candidate, type Salt } from './candidate.js';
import { saltBytes } from './disclosure.js';

/** One leaf per event. The events of a transaction are gathered and appended together, in the order they came. */
@MessageHandler()
export class OnEverything {
  private readonly gathered = new WeakMap<Tx<'audit'>, Candidate[]>();
  private readonly salt = freshSalts();

  constructor(private readonly log: AppendStore) {}

  @On(...eventTypes)
  hear(message: Message, tx: Tx<'audit'>): void {
    let candidates = this.gathered.get(tx);
    if (!candidates) {
      const all: Candidate[] = (candidates = []);
      this.gathered.set(tx, all);
      tx.beforeCommit(() => this.log.append(tx.db, all));
    }
    candidates.push(candidateOf(message, this.salt));
  }
}

const saltsAtOnce = 1_024;

/** Draws random bytes for many salts at a time: each call into the system's source costs more than a salt. */
function freshSalts(): Salt {
  let pool = Buffer.alloc(0);
  return () => {
    if (pool.length === 0) pool = randomBytes(saltBytes * saltsAtOnce);
    const salt = pool.subarray(0, saltBytes);
    pool = pool.subarray(saltBytes);
    return salt;
  };
}
