import { type Message, type Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock, loadTrust } from '@writ/service';
import { ActiveSets } from '../sets/active-set.store.js';
import { PolicyConfig } from '../config.js';
import { Decisions } from './decisions.store.js';
import { doubtAbout } from './may-decide.js';
import { Notices } from '../reviews/notice.store.js';
import { keepAnswer, keepWaiting, stateOf } from './request.store.js';
import { say } from './say.js';

/**
 * Answers each request once. One that is not what the request service signed is never answered: it is
 * parked at once, for a person to find out who changed it. Without an active set requests wait; nothing is approved meanwhile.
 */
@MessageHandler()
export class OnRequestSubmitted {
  private readonly trust: Trust;

  constructor(
    config: PolicyConfig, private readonly sets: ActiveSets, private readonly decisions: Decisions, private readonly notices: Notices,
    private readonly clock: Clock,
  ) {
    this.trust = loadTrust(config.trustFile);
  }

  @On('request.submitted')
  async handle({ data: request }: Message<'request.submitted'>, tx: Tx<'policy'>): Promise<void> {
    const doubt = doubtAbout(request, this.trust, this.clock.now());
    if (doubt) throw new Unacceptable(doubt, `Request ${request.requestId} is not what was signed.`);
    if (await stateOf(tx.db, request.requestId)) return; // Answered before, or withdrawn before it came.
    const set = await this.sets.of(tx.db);
    if (!set) return keepWaiting(tx.db, request);
    const { decision, answer, now } = await this.decisions.answer(tx.db, set, request);
    keepAnswer(tx.db, request, answer, decision, set, now);
    say(tx, answer);
    if (answer.type === 'request.held') await this.notices.opened(tx.db, request, answer);
  }
}
