import { Injectable } from '@nestjs/common';
import type { SigningKey } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Decision } from '@writ/policy';
import { Clock, loadSigningKey } from '@writ/service';
import { ActiveSets, type ActiveSet } from './active-set.store.js';
import { answerTo, type Answer, type DigestedRequest } from './answer.js';
import { PolicyConfig } from './config.js';
import { factsOf } from './facts.js';
import { trustOf } from './trust.store.js';

/** Decides requests with the facts of now, and signs what is said of it. */
@Injectable()
export class Decisions {
  readonly key: SigningKey;

  constructor(readonly config: PolicyConfig, private readonly sets: ActiveSets, private readonly clock: Clock) {
    this.key = loadSigningKey(config.keysDir);
  }

  /** Decides a request by exactly this set. */
  async decide(db: Db, set: ActiveSet, request: DigestedRequest): Promise<Decision> {
    const trust = await trustOf(db, request.requester.id);
    return this.sets.decide(set, factsOf(request, trust, this.clock.now()));
  }

  async answer(db: Db, set: ActiveSet, request: DigestedRequest): Promise<{ decision: Decision; answer: Answer; now: Date }> {
    const decision = await this.decide(db, set, request);
    const now = this.clock.now();
    return { decision, answer: answerTo(request, decision, this.key, this.config, now), now };
  }
}
