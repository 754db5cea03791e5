import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Notices } from './notice.store.js';
import { TokenLife, type LifeEvent } from './token-life.js';

/** Hears what becomes of tokens and their secrets. */
@MessageHandler()
export class OnToken {
  constructor(private readonly life: TokenLife, private readonly notices: Notices) {}

  @On('token.issued')
  issued({ data }: Message<'token.issued'>, tx: Tx<'rotation'>): void {
    this.life.begin(tx, data);
  }

  @On('token.orphaned')
  orphaned({ id, data, time }: Message<'token.orphaned'>, tx: Tx<'rotation'>): void {
    this.notices.write(tx.db, id, data.owner.team, { kind: 'token.orphaned', data }, time);
  }

  @On('token.straggling')
  straggling({ id, data, time }: Message<'token.straggling'>, tx: Tx<'rotation'>): void {
    this.notices.write(tx.db, id, data.owner.team, { kind: 'token.straggling', data }, time);
  }

  @On('token.delivered', 'token.rotated', 'token.retired', 'token.suspended', 'token.resumed', 'token.revoked', 'token.expired', 'token.transferred')
  async changed({ id, type, data, time }: Message<LifeEvent>, tx: Tx<'rotation'>): Promise<void> {
    if (await this.life.apply(tx, type, data, time)) return;
    tx.db.insert('early_event', { event_id: id, token_id: data.tokenId, type, data, said_at: time, heard_at: 'now', try_at: 'now' });
  }
}
