import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { TransferBody, type StopAnswer } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, Clock, conflict, forbidden, mustBeSteppedUp, notFound, principalOf, type Caller, type Problem } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { maySee } from '../tokens/may-see.js';
import { mayTransfer } from './may-transfer.js';
import { Stops } from '../state/stop.store.js';
import { EndedToken, LeftToo, Transfers } from './transfer.store.js';

@Controller('v1/tokens')
export class TransfersController {
  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly transfers: Transfers,
    private readonly config: IssuerConfig, private readonly clock: Clock,
  ) {}

  /**
   * Gives a token another owner of its team: members take over what a departed colleague left, administrators decide at
   * any time. Recorded; a rotation follows, so that who left is left with a secret that dies. Whoever gets a token claims its
   * next secret without a new approval, so this takes a fresh sign-in.
   */
  @Post(':tokenId/transfer')
  @HttpCode(200)
  @Allow()
  transfer(@Param('tokenId') tokenId: string, @Body(bodyOf(TransferBody)) body: TransferBody, @CallerOf() caller: Caller): Promise<StopAnswer> {
    return this.transactions.run((tx) => this.given(tx, tokenId, body, caller));
  }

  private async given(tx: Tx<'issuer'>, tokenId: string, { to, reason }: TransferBody, caller: Caller): Promise<StopAnswer> {
    const token = await this.stops.locked(tx.db, tokenId);
    if (!token || !maySee(caller, token)) throw notFound('token');
    const [clock] = await tx.db.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const verdict = mayTransfer(caller, token, to, clock?.now as Date);
    if ('refuse' in verdict && verdict.refuse === 'forbidden') throw forbidden(verdict.detail, 'Ask an administrator.');
    mustBeSteppedUp(caller, this.config, this.clock.now());
    if ('refuse' in verdict) throw refused(verdict.code, verdict.detail);
    const principal = principalOf(caller);
    const owner = { id: verdict.to, team: token.owner_team };
    const seq = await this.transfers.transfer(tx, token, owner, { iss: caller.iss, sub: verdict.to }, { kind: 'person', principal }, reason).catch((error: unknown) => {
      if (error instanceof LeftToo) throw conflict('owner-deactivated', 'The new owner has left too.', 'Name somebody else.');
      throw error instanceof EndedToken ? refused('token-ended', 'This token has ended.') : error;
    });
    return { tokenId: token.token_id, state: token.state, seq };
  }
}

function refused(code: string, detail: string): Problem {
  return conflict(code, detail, 'Request a new token where you still need one.');
}
