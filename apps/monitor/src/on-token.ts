import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { setRetired, setState } from './token.store.js';

type Change = 'token.suspended' | 'token.resumed' | 'token.revoked' | 'token.expired';
const states = { 'token.suspended': 'suspended', 'token.resumed': 'active', 'token.revoked': 'revoked', 'token.expired': 'expired' } as const;

/** Keeps what the monitor must know of tokens: whose they are, what they may, whether they live. */
@MessageHandler()
export class OnToken {
  @On('token.issued')
  issued({ data }: Message<'token.issued'>, tx: Tx<'monitor'>): void {
    const { tokenId, owner, resource, environment, scopes, issuedAt, expiresAt } = data;
    tx.db.insert('token', { token_id: tokenId, owner_id: owner.id, team: owner.team, resource, environment, scopes, issued_at: issuedAt, expires_at: expiresAt });
  }

  @On('token.suspended', 'token.resumed', 'token.revoked', 'token.expired')
  async changed({ type, data, aggregateVersion }: Message<Change>, tx: Tx<'monitor'>): Promise<void> {
    await setState(tx.db, data.tokenId, states[type], aggregateVersion ?? 0);
    // The baseline of what has ended stays: whoever goes on using the dead secret is judged by it until it fades.
  }

  @On('token.transferred')
  transferred({ data }: Message<'token.transferred'>, tx: Tx<'monitor'>): void {
    tx.db.update('token', { token_id: data.tokenId }, { owner_id: data.to.id, team: data.to.team });
  }

  @On('token.retired')
  async retired({ data, time }: Message<'token.retired'>, tx: Tx<'monitor'>): Promise<void> {
    await setRetired(tx.db, data.tokenId, data.generation, time, data.code);
  }
}
