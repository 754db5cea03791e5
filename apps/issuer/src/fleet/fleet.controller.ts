import { Body, Controller, Delete, HttpCode, Param, Post } from '@nestjs/common';
import { LeaseAskBody, RegisterVerifierBody, UsageBatchBody } from '@writ/contracts';
import type { LeaseGrant, Registration } from '@writ/gateway';
import { Transactions } from '@writ/messaging';
import { AllowGateway, bodyOf, CallerOf, conflict, GoesOn, NoReplay, type Caller } from '@writ/service';
import { Fleet } from './fleet.store.js';
import { Uploads } from '../usage/upload.store.js';

/** The fleet protocol: verifiers register, stay under lease, and tell what they saw. */
@Controller('v1')
export class FleetController {
  constructor(private readonly fleet: Fleet, private readonly uploads: Uploads, private readonly transactions: Transactions<'issuer'>) {}

  /** Registers one process; the answer's head is where its empty memory begins. */
  @Post('fleet/verifiers')
  @GoesOn()
  @AllowGateway()
  @NoReplay()
  register(@Body(bodyOf(RegisterVerifierBody)) body: RegisterVerifierBody, @CallerOf() caller: Caller): Promise<Registration> {
    return this.fleet.register(caller.sub, body);
  }

  /** Takes leave: nobody waits for this verifier any more. */
  @Delete('fleet/verifiers/:verifierId')
  @GoesOn()
  @HttpCode(204)
  @AllowGateway()
  leave(@Param('verifierId') verifierId: string, @CallerOf() caller: Caller): Promise<void> {
    return this.fleet.leave(caller.sub, verifierId);
  }

  /** Grants a lease with everything that is new, at once or when there is news. `rejoin`: register anew; `ahead`: the log is behind the verifier. */
  @Post('fleet/lease')
  @GoesOn()
  @HttpCode(200)
  @AllowGateway()
  @NoReplay()
  async lease(@Body(bodyOf(LeaseAskBody)) ask: LeaseAskBody, @CallerOf() caller: Caller): Promise<LeaseGrant> {
    const answer = await this.fleet.lease(caller.sub, ask);
    if (answer === 'rejoin') throw conflict('rejoin', 'This verifier is not registered for this log.', 'Register anew, with an empty memory.');
    if (answer === 'ahead') throw conflict('ahead', 'The log is behind this verifier, or in doubt.', 'Answer nothing from memory; an operator has to look.');
    return answer;
  }

  /** Takes what a verifier saw. A batch that comes again under its number is dropped. */
  @Post('usage')
  @GoesOn()
  @HttpCode(202)
  @AllowGateway()
  @NoReplay()
  async usage(@Body(bodyOf(UsageBatchBody)) batch: UsageBatchBody, @CallerOf() caller: Caller): Promise<{ batch: number }> {
    await this.transactions.run((tx) => this.uploads.take(tx, caller.sub, batch));
    return { batch: batch.batch };
  }
}
