import { Injectable } from '@nestjs/common';
import { digestOf, signStatement, type ActivationAnswer, type Digest, type Loosened, type PolicySetClaims, type ResponseRule } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Clock, conflict, principalOf, type Caller } from '@writ/service';
import { ActiveSets } from './active-set.store.js';
import { Decisions } from '../decisions/decisions.store.js';
import { mayActivate } from './may-activate.js';
import { activate, lockHead, proposerOf, propose, type Head } from './policy-set.store.js';

/** The set to activate, as far as an activation says it. */
export interface Draft {
  digest: Digest;
  response?: readonly ResponseRule[];
}

/** Moves the active-set pointer, signed and always forward. */
@Injectable()
export class Activations {
  constructor(
    private readonly transactions: Transactions<'policy'>, private readonly sets: ActiveSets, private readonly decisions: Decisions,
    private readonly clock: Clock,
  ) {}

  /**
   * @param seen the pointer that `loosening` was judged against
   * @throws a conflict `activation-changed` where it moved meanwhile: the judgement is void
   */
  async activate(draft: Draft, seen: Head, loosening: Loosened, caller: Caller): Promise<ActivationAnswer> {
    const { digest } = draft;
    const answer = await this.transactions.run(async (tx) => {
      const head = await lockHead(tx.db);
      if (head.activation !== seen.activation) {
        throw conflict('activation-changed', 'Another set was activated meanwhile.', 'Compare with that one, and activate again.');
      }
      const by = principalOf(caller);
      const proposedBy = await proposerOf(tx.db, digest, head.activation);
      const step = mayActivate({ activation: head.activation, isActive: head.policy_digest === digest, loosened: loosening.loosened, by, proposedBy });
      if (step === 'active-already') return { state: 'active', digest, activation: head.activation } as const;
      if (step === 'propose') await propose(tx.db, digest, head.activation, by);
      if (step !== 'activate') return { state: 'needs-second-person', digest, activation: head.activation, loosening, proposedBy: proposedBy ?? by } as const;
      const activation = await this.move(tx, head, draft, { loosening, by, proposedBy });
      return { state: 'active', digest, activation, loosening, ...(proposedBy ? { proposedBy } : {}) } as const;
    });
    await this.transactions.run((tx) => this.sets.of(tx.db)); // This replica need not wait for its next round.
    return answer;
  }

  private async move(
    tx: Tx<'policy'>, head: Head, { digest, response }: Draft, { loosening, by, proposedBy }: { loosening: Loosened; by: ReturnType<typeof principalOf>; proposedBy?: ReturnType<typeof principalOf> },
  ): Promise<number> {
    const activation = head.activation + 1;
    const claims: PolicySetClaims = { iat: Math.floor(this.clock.now().getTime() / 1000), policyDigest: digest, activation, ...(response ? { responseDigest: digestOf(response) } : {}) };
    const statement = signStatement(this.decisions.key, 'policy-set', claims);
    const { loosened } = loosening;
    await activate(tx.db, { activation, digest, previous: head.policy_digest, loosened, proposedBy, activatedBy: by, statement });
    tx.emit('policy.activated', {
      policyDigest: digest, ...(head.policy_digest ? { previousDigest: head.policy_digest } : {}), activation, by, loosened, ...(response ? { response: [...response] } : {}), statement,
    }, { subject: 'policy-set', version: activation });
    return activation;
  }
}
