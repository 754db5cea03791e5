import { Inject } from '@nestjs/common';
import { verifyStatement, type LeakClaims, type Message, type ProposalClaims, type Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Incidents } from './incident.store.js';
import { TRUST } from '../issuing/trust.store.js';

/** What others found out about a token: they propose or prove, the issuer acts. */
@MessageHandler()
export class OnIncident {
  constructor(
    private readonly incidents: Incidents, private readonly config: IssuerConfig, private readonly clock: Clock, @Inject(TRUST) private readonly trust: Trust,
  ) {}

  @On('misuse.detected')
  async misuse({ data }: Message<'misuse.detected'>, tx: Tx<'issuer'>): Promise<void> {
    const claims = verifyStatement(this.trust, 'proposal', data.statement, this.clock.now());
    if (claims === 'statement-expired') return; // Too late to be acted on: what was true then may be mended.
    if (typeof claims === 'string') throw new Unacceptable(claims, 'The proposal does not count.');
    const proposal = claims as ProposalClaims;
    if (proposal.alertId !== data.alertId || proposal.tokenId !== data.tokenId || proposal.action !== data.action) {
      throw new Unacceptable('another-proposal', 'The proposal says something else than its statement.');
    }
    const { alertId, tokenId, action, detector } = data;
    if (action === 'suspend' || action === 'revoke') await this.incidents.act(tx, { alertId, tokenId, action, by: { kind: 'monitor' }, code: detector });
  }

  @On('leak.reported')
  async leak({ data }: Message<'leak.reported'>, tx: Tx<'issuer'>): Promise<void> {
    const claims = verifyStatement(this.trust, 'leak', data.statement, this.clock.now());
    if (typeof claims === 'string') throw new Unacceptable(claims, 'The leak report does not count.');
    const { reportId, innerDigest } = claims as LeakClaims;
    if (reportId !== data.reportId || innerDigest !== data.innerDigest) throw new Unacceptable('another-report', 'The leak report says something else than its statement.');
    const shown = { digest: Buffer.from(data.innerDigest, 'base64url'), reportedAt: new Date(data.reportedAt) };
    await this.incidents.leaked(tx, [shown], { by: { kind: 'leak' }, code: 'leaked', reportId });
  }

  /** Nothing outlives its owner; a job does what follows, slice by slice. Nobody signs this: who may say it, the operator says. */
  @On('owner.deactivated')
  async ownerLeft({ data, userId }: Message<'owner.deactivated'>, tx: Tx<'issuer'>): Promise<void> {
    if (!this.config.identitySystems.includes(userId)) throw new Unacceptable('not-an-identity-system', `WRIT_IDENTITY_SYSTEMS does not name ${userId}.`);
    await this.incidents.ownerLeft(tx, data);
  }
}
