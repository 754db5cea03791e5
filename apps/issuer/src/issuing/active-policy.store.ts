import { Inject, Injectable } from '@nestjs/common';
import { verifyStatement, type PolicySetClaims, type Trust } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import { Clock } from '@writ/service';
import { TRUST } from './trust.store.js';

const pointer = lookup<{ statement: string }>('SELECT statement FROM active_policy WHERE cardinality($1::text[]) > 0', () => '');

/** The newest signed pointer to a policy set that was heard of. */
@Injectable()
export class ActivePolicy {
  constructor(private readonly clock: Clock, @Inject(TRUST) private readonly trust: Trust) {}

  /** Activations are counted, so an old pointer never comes back. */
  async keep(db: Db, { policyDigest, activation }: PolicySetClaims, statement: string): Promise<void> {
    await db.query(
      `INSERT INTO active_policy (policy_digest, activation, statement) VALUES ($1, $2, $3)
       ON CONFLICT (one) DO UPDATE SET policy_digest = $1, activation = $2, statement = $3 WHERE active_policy.activation < $2`,
      [policyDigest, activation, statement],
    );
  }

  /** Undefined before the first. @throws where what is kept is not what was signed */
  async of(db: Db): Promise<PolicySetClaims | undefined> {
    const row = await db.one(pointer, '');
    if (!row) return undefined;
    const claims = verifyStatement(this.trust, 'policy-set', row.statement, this.clock.now());
    if (typeof claims === 'string') throw new Error(`The pointer to the active policy set that is kept here does not count: ${claims}.`);
    return claims as PolicySetClaims;
  }
}
