import type { Tx } from '@writ/messaging';
import type { Answer } from './answer.js';

/** Says an answer when the transaction that keeps it commits. */
export function say(tx: Pick<Tx<'policy'>, 'emit'>, answer: Answer): void {
  if (answer.type === 'request.approved') tx.emit(answer.type, answer.data);
  else if (answer.type === 'request.held') tx.emit(answer.type, answer.data);
  else tx.emit(answer.type, answer.data);
}
