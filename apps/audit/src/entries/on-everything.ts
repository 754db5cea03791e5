import { eventTypes, type Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { AppendStore } from './append.store.js';
import { candidateOf, type Candidate } from './candidate.js';
import { randomSource } from '../subjects/random.store.js';
import { saltBytes } from './disclosure.js';

/** One leaf per event. The events of a transaction are gathered and appended together, in the order they came. */
@MessageHandler()
export class OnEverything {
  private readonly gathered = new WeakMap<Tx<'audit'>, Candidate[]>();
  private readonly salt = randomSource(saltBytes);

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
