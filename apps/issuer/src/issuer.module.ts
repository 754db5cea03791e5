import { Module } from '@nestjs/common';
import { GatewayRegister, loadTrust } from '@writ/service';
import { BurnController } from './burn.controller.js';
import { BurnJob } from './burn.job.js';
import { Callers } from './caller.store.js';
import { ClaimController } from './claim.controller.js';
import { Claims } from './claims.store.js';
import { IssuerConfig } from './config.js';
import { Departures } from './departure.store.js';
import { DeparturesJob } from './departures.job.js';
import { ExpireJob } from './expire.job.js';
import { FleetController } from './fleet.controller.js';
import { Fleet } from './fleet.store.js';
import { Gateways } from './gateway.store.js';
import { ForwardAuth } from './forward-auth.controller.js';
import { GatewaysController } from './gateways.controller.js';
import { Hints } from './hints.store.js';
import { HotDoor } from './hot-door.controller.js';
import { Incidents } from './incident.store.js';
import { Inventory } from './inventory.store.js';
import { Issues } from './issue.store.js';
import { KEYS, loadKeys } from './keys.store.js';
import { Limits } from './limits.store.js';
import { OnIncident } from './on-incident.js';
import { OnPolicy } from './on-policy.js';
import { OnRequest } from './on-request.js';
import { OnRotation } from './on-rotation.js';
import { OnRpc } from './on-rpc.js';
import { RevokeByPossession } from './possession.store.js';
import { Reader } from './reader.store.js';
import { OwnersController } from './owners.controller.js';
import { Recheck } from './recheck.job.js';
import { Replica } from './replica.job.js';
import { ReplaceJob } from './replace.job.js';
import { RetireJob } from './retire.job.js';
import { ConfirmJob } from './confirm.job.js';
import { Rotations } from './rotation.store.js';
import { Sealing } from './sealing.store.js';
import { Secrets } from './secret.store.js';
import { SilentVerifiersJob } from './silent-verifiers.job.js';
import { StateLog } from './state-log.store.js';
import { Stops } from './stop.store.js';
import { SweepJob } from './sweep.job.js';
import { TokensController } from './tokens.controller.js';
import { Transfers } from './transfer.store.js';
import { TransfersController } from './transfers.controller.js';
import { TripwireJob } from './tripwire.job.js';
import { TRUST } from './trust.store.js';
import { Uploads } from './upload.store.js';
import { Usage } from './usage.store.js';
import { Verifier } from './verifier.store.js';
import { VerifyRoutes } from './verify.controller.js';

@Module({
  controllers: [OnRequest, OnPolicy, OnRotation, OnIncident, ClaimController, TokensController, TransfersController, OwnersController, GatewaysController, BurnController, FleetController],
  providers: [
    { provide: KEYS, useFactory: ({ keysDir }: IssuerConfig) => loadKeys(keysDir), inject: [IssuerConfig] },
    { provide: TRUST, useFactory: ({ trustFile }: IssuerConfig) => loadTrust(trustFile), inject: [IssuerConfig] },
    { provide: GatewayRegister, useExisting: Gateways },
    StateLog, Stops, Issues, Secrets, Claims, Limits, Sealing, Reader, Verifier, Gateways, Rotations, Incidents, Callers, Inventory, Fleet, RevokeByPossession,
    ConfirmJob,
    Replica, Recheck, Hints, Usage, Uploads, VerifyRoutes, ForwardAuth, HotDoor, OnRpc, ExpireJob, RetireJob, ReplaceJob, BurnJob, SweepJob, TripwireJob, Transfers, Departures, DeparturesJob, SilentVerifiersJob,
  ],
  exports: [GatewayRegister],
})
export class IssuerModule {}
