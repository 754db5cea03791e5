import { Inject, Injectable } from '@nestjs/common';
import { signStatement, type RotationDue, type RotationSteered, type SigningKey } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { Clock } from '@writ/service';

export const SIGNING_KEY = Symbol('signing key');

/** What the issuer is told to do: signed, because each of it can end a secret that somebody lives on. */
@Injectable()
export class Orders {
  constructor(@Inject(SIGNING_KEY) private readonly key: SigningKey, private readonly clock: Clock) {}

  due(tx: Tx<'rotation'>, data: Omit<RotationDue, 'statement'>): void {
    const { tokenId, rotationId, cause, deadlineAt, claimBefore } = data;
    tx.emit('rotation.due', { ...data, statement: this.sign({ tokenId, rotationId, cause, deadlineAt, claimBefore }) });
  }

  steered(tx: Tx<'rotation'>, data: Omit<RotationSteered, 'statement'>): void {
    const { tokenId, rotationId, command } = data;
    tx.emit('rotation.steered', { ...data, statement: this.sign({ tokenId, rotationId, command }) });
  }

  private sign(claims: object): string {
    return signStatement(this.key, 'rotation', { iat: Math.floor(this.clock.now().getTime() / 1000), ...claims });
  }
}
