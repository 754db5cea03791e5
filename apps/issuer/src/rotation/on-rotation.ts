import { Inject } from '@nestjs/common';
import { verifyStatement, type Message, type RotationClaims, type Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock, inSlices } from '@writ/service';
import { Rotations } from './rotation.store.js';
import { TRUST } from '../issuing/trust.store.js';

@MessageHandler()
export class OnRotation {
  private readonly claimsOf = inSlices((statement: string) => verifyStatement(this.trust, 'rotation', statement, this.clock.now()));

  constructor(private readonly rotations: Rotations, private readonly clock: Clock, @Inject(TRUST) private readonly trust: Trust) {}

  @On('rotation.due')
  async due({ data }: Message<'rotation.due'>, tx: Tx<'issuer'>): Promise<void> {
    const { tokenId, rotationId, cause, deadlineAt, claimBefore } = data;
    await this.mustBeOrdered(data.statement, { tokenId, rotationId, cause, deadlineAt, claimBefore });
    const held = await this.rotations.hold(tx, tokenId);
    if (held) await this.rotations.begin(tx, held, data);
  }

  @On('rotation.steered')
  async steered({ data }: Message<'rotation.steered'>, tx: Tx<'issuer'>): Promise<void> {
    const { tokenId, rotationId, command, by } = data;
    await this.mustBeOrdered(data.statement, { tokenId, rotationId, command });
    const held = await this.rotations.hold(tx, tokenId);
    if (held) await this.rotations[command](tx, held, rotationId, by);
  }

  /** Whoever stole the broker's credentials of the rotation service has not its key. */
  private async mustBeOrdered(statement: string | undefined, said: Record<string, string>): Promise<void> {
    const claims = await this.claimsOf(statement ?? '');
    if (typeof claims === 'string') throw new Unacceptable(claims, 'The order to rotate does not count.');
    const signed = claims as RotationClaims & Record<string, unknown>;
    if (Object.entries(said).some(([field, value]) => signed[field] !== value)) throw new Unacceptable('another-order', 'The order to rotate says something else than its statement.');
  }
}
