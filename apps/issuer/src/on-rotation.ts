import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Rotations } from './rotation.store.js';

@MessageHandler()
export class OnRotation {
  constructor(private readonly rotations: Rotations) {}

  @On('rotation.due')
  async due({ data }: Message<'rotation.due'>, tx: Tx<'issuer'>): Promise<void> {
    const held = await this.rotations.hold(tx, data.tokenId);
    if (held) await this.rotations.begin(tx, held, data);
  }

  @On('rotation.steered')
  async steered({ data }: Message<'rotation.steered'>, tx: Tx<'issuer'>): Promise<void> {
    const held = await this.rotations.hold(tx, data.tokenId);
    if (held) await this.rotations[data.command](tx, held, data.rotationId);
  }
}
