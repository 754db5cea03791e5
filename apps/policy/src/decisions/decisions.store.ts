import { Injectable } from '@nestjs/common';
import { verifyStatement, type DecisionClaims, type RequestClaims, type SigningKey, type Trust } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Decision } from '@writ/policy';
import { Clock, loadSigningKey, loadTrust } from '@writ/service';
import { ActiveSets, type ActiveSet } from '../sets/active-set.store.js';
import { answerTo, type Answer, type DigestedRequest } from './answer.js';
import { PolicyConfig } from '../config.js';
import { factsOf } from './facts.js';
import { decisionsOn } from './request.store.js';
import { approvedBy, isShrinking } from './shrink.js';
import { trustOf } from './trust.store.js';

/** Decides requests with the facts of now, and signs what is said of it. */
@Injectable()
export class Decisions {
  readonly key: SigningKey;
  private readonly trust: Trust;

  constructor(readonly config: PolicyConfig, private readonly sets: ActiveSets, private readonly clock: Clock) {
    this.key = loadSigningKey(config.keysDir);
    this.trust = loadTrust(config.trustFile);
  }

  /** Decides a request by exactly this set. */
  async decide(db: Db, set: ActiveSet, request: DigestedRequest): Promise<Decision> {
    const trust = await trustOf(db, request.requester.id);
    const shrinkOnly = request.replaces !== undefined && (await this.shrinks(db, request));
    return this.sets.decide(set, factsOf(request, trust, shrinkOnly, this.clock.now()));
  }

  /** By what was approved here before. Both statements are checked: a row that was edited shrinks nothing. */
  private async shrinks(db: Db, request: DigestedRequest): Promise<boolean> {
    const now = this.clock.now();
    const claims = verifyStatement(this.trust, 'request', request.statement, now);
    if (typeof claims === 'string') return false;
    const signed = claims as RequestClaims;
    const last = signed.replaces && (await decisionsOn(db, signed.replaces.requestId)).at(-1);
    // What was decided stays decided, however long the statement counted for the issuer.
    const decided = last ? verifyStatement(this.trust, 'decision', last.statement, new Date(0)) : 'statement-malformed';
    if (!last || typeof decided === 'string' || decided.requestId !== last.request_id) return false;
    return isShrinking(request, signed, approvedBy(JSON.parse(last.record) as Decision, decided as DecisionClaims), now);
  }

  async answer(db: Db, set: ActiveSet, request: DigestedRequest): Promise<{ decision: Decision; answer: Answer; now: Date }> {
    const decision = await this.decide(db, set, request);
    const now = this.clock.now();
    return { decision, answer: answerTo(request, decision, { key: this.key, activation: set.activation }, this.config, now), now };
  }
}
