import { Body, Controller, Headers, Param, Post } from '@nestjs/common';
import { ClaimBody, type ClaimedSecret } from '@writ/contracts';
import { Allow, bodyOf, CallerOf, conflict, NoReplay, notFound, type Caller } from '@writ/service';
import { Claims } from './claims.store.js';
import { Fleet } from '../fleet/fleet.store.js';

@Controller('v1/tokens')
export class ClaimController {
  constructor(private readonly claims: Claims, private readonly fleet: Fleet) {}

  /**
   * Makes the secret and shows it, once, to the claimant that the request named. A lost answer is repeated within a
   * minute and before first use, to the same session with the same Idempotency-Key: with a new secret, the lost one dead.
   * A second session kills the token (`claimed-twice`); a stranger gets 404 and changes nothing.
   */
  @Post(':tokenId/claim')
  @Allow()
  @NoReplay()
  async claim(
    @Param('tokenId') tokenId: string, @Body(bodyOf(ClaimBody)) { rotationId }: ClaimBody, @CallerOf() caller: Caller,
    @Headers('idempotency-key') idempotencyKey?: string,
  ): Promise<ClaimedSecret> {
    const { verdict, secret, killedSeq } = await this.claims.claim({ tokenId, rotationId, caller, idempotencyKey });
    if (verdict.act === 'unknown') throw notFound(verdict.what);
    if (killedSeq !== undefined) await this.fleet.fence(killedSeq, 'replicas');
    if (secret) return secret;
    if (verdict.act === 'refuse') throw conflict(verdict.code, verdict.detail, 'Request a new token where you still need one.');
    throw conflict('claimed-twice', 'The secret was claimed before by another session, so the token is revoked.', 'Request a new token, and find out who claimed this one.');
  }
}
