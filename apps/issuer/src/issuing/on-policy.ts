import { Inject } from '@nestjs/common';
import { verifyStatement, type Message, type PolicySetClaims, type Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { ActivePolicy } from './active-policy.store.js';
import { TRUST } from './trust.store.js';

@MessageHandler()
export class OnPolicy {
  constructor(private readonly active: ActivePolicy, private readonly clock: Clock, @Inject(TRUST) private readonly trust: Trust) {}

  /** Remembers which policy set decides: what another one decides from then on is not issued. */
  @On('policy.activated')
  async activated({ data }: Message<'policy.activated'>, tx: Tx<'issuer'>): Promise<void> {
    const claims = verifyStatement(this.trust, 'policy-set', data.statement, this.clock.now());
    if (typeof claims === 'string') throw new Unacceptable(claims, 'The pointer to the active policy set does not count.');
    const { policyDigest, activation } = claims as PolicySetClaims;
    if (policyDigest !== data.policyDigest || activation !== data.activation) throw new Unacceptable('another-pointer', 'The pointer to the active policy set says something else than its statement.');
    await this.active.keep(tx.db, claims as PolicySetClaims, data.statement);
  }
}
