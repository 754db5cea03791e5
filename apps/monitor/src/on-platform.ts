import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { note } from './watch.store.js';

/** Keeps when each part of the platform was last heard of, so that silence shows. */
@MessageHandler()
export class OnPlatform {
  @On('service.alive')
  async alive({ data }: Message<'service.alive'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `service/${data.service}`, new Date(data.at), {});
  }

  @On('checkpoint.published')
  async checkpoint({ data }: Message<'checkpoint.published'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `log/${data.origin}`, new Date(data.publishedAt), { size: data.size, root: data.root, cosignatures: data.cosignatures });
  }

  @On('policy.activated')
  async policy({ data, time }: Message<'policy.activated'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, 'policy', time, { digest: data.policyDigest, activation: data.activation, loosened: data.loosened });
  }

  @On('message.parked')
  async parked({ data, time }: Message<'message.parked'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `parked/${data.service}/${data.code}`, time, { messageId: data.messageId, detail: data.detail });
  }

  /** Nobody honest makes an approval that the issuer refuses: each is counted by its reason. */
  @On('issue.refused')
  async refused({ data, time }: Message<'issue.refused'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `issue-refused/${data.code}`, time, { requestId: data.requestId, detail: data.detail });
  }
}
