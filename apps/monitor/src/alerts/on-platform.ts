import { digestOf, verifyStatement, type Message, type PolicySetClaims, type Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock, loadTrust } from '@writ/service';
import { MonitorConfig } from '../config.js';
import { setResponse } from '../detectors/response.store.js';
import { note } from '../usage/watch.store.js';

/** Keeps when each part of the platform was last heard of, so that silence shows, and what policy lets the monitor do. */
@MessageHandler()
export class OnPlatform {
  private readonly trust: Trust;

  constructor({ trustFile }: MonitorConfig, private readonly clock: Clock) {
    this.trust = loadTrust(trustFile);
  }

  @On('service.alive')
  async alive({ data }: Message<'service.alive'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `service/${data.service}`, new Date(data.at), {});
  }

  @On('checkpoint.published')
  async checkpoint({ data }: Message<'checkpoint.published'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `log/${data.origin}`, new Date(data.publishedAt), { size: data.size, root: data.root, cosignatures: data.cosignatures });
  }

  /** Each kind of finding is counted; an operator's alarm hangs on the count. */
  @On('audit.finding')
  async finding({ data, time }: Message<'audit.finding'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `log-finding/${data.code}`, time, { origin: data.origin, detail: data.detail, ...(data.entry !== undefined && { entry: data.entry }) });
  }

  @On('policy.activated')
  async policy({ data, time }: Message<'policy.activated'>, tx: Tx<'monitor'>): Promise<void> {
    const { policyDigest, activation, response, loosened } = data;
    const claims = verifyStatement(this.trust, 'policy-set', data.statement, this.clock.now());
    if (typeof claims === 'string') throw new Unacceptable(claims, 'The pointer to the active policy set does not count.');
    const signed = claims as PolicySetClaims;
    const isSigned = signed.policyDigest === policyDigest && signed.activation === activation && signed.responseDigest === (response && digestOf(response));
    if (!isSigned) throw new Unacceptable('another-pointer', 'The pointer to the active policy set says something else than its statement.');
    await setResponse(tx.db, { activation, policyDigest, rules: response ?? [] });
    await note(tx.db, 'policy', time, { digest: policyDigest, activation, loosened });
  }

  /** Who holds a detector back shows where operators look. */
  @On('monitoring.changed')
  async changed({ data, time }: Message<'monitoring.changed'>, tx: Tx<'monitor'>): Promise<void> {
    const { change, by, detector, most, reason } = data;
    if (change === 'detector-limited') await note(tx.db, `detector/${detector}`, time, { most, by: by.sub, reason });
  }

  /** What people change by hand is counted; who did what is in the audit log. */
  @On('act.recorded')
  async act({ data, time }: Message<'act.recorded'>, tx: Tx<'monitor'>): Promise<void> {
    await note(tx.db, `act/${data.service}`, time, { act: data.act });
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
