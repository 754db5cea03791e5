import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Alerts } from '../alerts/alert.store.js';
import { Dismissals } from '../alerts/dismissal.store.js';
import { setRetired, setState, tokenById } from './token.store.js';

type Change = 'token.suspended' | 'token.resumed' | 'token.revoked' | 'token.expired';
const states = { 'token.suspended': 'suspended', 'token.resumed': 'active', 'token.revoked': 'revoked', 'token.expired': 'expired' } as const;

/** Keeps what the monitor must know of tokens: whose they are, what they may, whether they live. */
@MessageHandler()
export class OnToken {
  constructor(private readonly alerts: Alerts, private readonly dismissals: Dismissals) {}

  @On('token.issued')
  issued({ data }: Message<'token.issued'>, tx: Tx<'monitor'>): void {
    const { tokenId, owner, resource, environment, scopes, issuedAt, expiresAt } = data;
    tx.db.insert('token', { token_id: tokenId, owner_id: owner.id, team: owner.team, resource, environment, scopes, issued_at: issuedAt, expires_at: expiresAt });
  }

  @On('token.suspended', 'token.resumed', 'token.revoked', 'token.expired')
  async changed({ type, data, aggregateVersion, time }: Message<Change>, tx: Tx<'monitor'>): Promise<void> {
    await setState(tx.db, data.tokenId, states[type], aggregateVersion ?? 0);
    if (type === 'token.resumed' && data.by.principal) await this.dismissals.resumed(tx, data.tokenId, data.by.principal, data.reason);
    if (data.code === 'claimed-twice') {
      await this.alerts.record(tx, {
        tokenId: data.tokenId, token: await tokenById(tx.db, data.tokenId), observedAt: time, evidence: { code: data.code, seq: data.seq },
        verdict: { detector: 'claim', action: 'revoke', explanation: 'Somebody claimed the secret of this token after it had been claimed, in another session of the same requester. One of the two was not the owner: the token was ended. Find out who has the requester’s credentials, then request a new one.' },
      });
    }
    // The baseline of what has ended stays: whoever goes on using the dead secret is judged by it until it fades.
  }

  /** What is open about a token is for whoever has it now to answer. */
  @On('token.transferred')
  async transferred({ data: { tokenId, from, to } }: Message<'token.transferred'>, tx: Tx<'monitor'>): Promise<void> {
    tx.db.update('token', { token_id: tokenId }, { owner_id: to.id, team: to.team });
    await this.alerts.transfer(tx, tokenId, from, to);
  }

  @On('token.retired')
  async retired({ data, time }: Message<'token.retired'>, tx: Tx<'monitor'>): Promise<void> {
    await setRetired(tx.db, data.tokenId, data.generation, time, data.code);
  }
}
