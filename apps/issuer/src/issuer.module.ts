import { Module } from '@nestjs/common';
import { GatewayRegister, loadTrust } from '@writ/service';
import { ActivePolicy } from './issuing/active-policy.store.js';
import { BurnController } from './incidents/burn.controller.js';
import { BurnJob } from './incidents/burn.job.js';
import { Callers } from './usage/caller.store.js';
import { ClaimController } from './delivery/claim.controller.js';
import { Claims } from './delivery/claims.store.js';
import { IssuerConfig } from './config.js';
import { Departures } from './owners/departure.store.js';
import { DeparturesJob } from './owners/departures.job.js';
import { ExpireJob } from './state/expire.job.js';
import { FleetController } from './fleet/fleet.controller.js';
import { Fleet } from './fleet/fleet.store.js';
import { Gateways } from './gateways/gateway.store.js';
import { ForwardAuth } from './verification/forward-auth.controller.js';
import { GatewaysController } from './gateways/gateways.controller.js';
import { Hints } from './fleet/hints.store.js';
import { HotDoor } from './verification/hot-door.controller.js';
import { Incidents } from './incidents/incident.store.js';
import { Inventory } from './tokens/inventory.store.js';
import { Issues } from './issuing/issue.store.js';
import { KEYS, loadKeys } from './keys.store.js';
import { Limits } from './verification/limits.store.js';
import { OnIncident } from './incidents/on-incident.js';
import { OnPolicy } from './issuing/on-policy.js';
import { OnRequest } from './issuing/on-request.js';
import { OnRotation } from './rotation/on-rotation.js';
import { OnRpc } from './verification/on-rpc.js';
import { RevokeByPossession } from './incidents/possession.store.js';
import { Reader } from './verification/reader.store.js';
import { OwnersController } from './owners/owners.controller.js';
import { Recheck } from './state/recheck.job.js';
import { Replica } from './fleet/replica.job.js';
import { ReplaceJob } from './issuing/replace.job.js';
import { RetireJob } from './rotation/retire.job.js';
import { ConfirmJob } from './fleet/confirm.job.js';
import { Rotations } from './rotation/rotation.store.js';
import { Sealing } from './delivery/sealing.store.js';
import { Secrets } from './tokens/secret.store.js';
import { SilentVerifiersJob } from './fleet/silent-verifiers.job.js';
import { StateLog } from './state/state-log.store.js';
import { Stops } from './state/stop.store.js';
import { SweepJob } from './state/sweep.job.js';
import { TokensController } from './tokens/tokens.controller.js';
import { Transfers } from './owners/transfer.store.js';
import { TransfersController } from './owners/transfers.controller.js';
import { TripwireJob } from './rotation/tripwire.job.js';
import { TRUST } from './issuing/trust.store.js';
import { Uploads } from './usage/upload.store.js';
import { Usage } from './usage/usage.store.js';
import { Verifier } from './fleet/verifier.store.js';
import { VerifyRoutes } from './verification/verify.controller.js';

@Module({
  controllers: [OnRequest, OnPolicy, OnRotation, OnIncident, ClaimController, TokensController, TransfersController, OwnersController, GatewaysController, BurnController, FleetController],
  providers: [
    { provide: KEYS, useFactory: ({ keysDir }: IssuerConfig) => loadKeys(keysDir), inject: [IssuerConfig] },
    { provide: TRUST, useFactory: ({ trustFile }: IssuerConfig) => loadTrust(trustFile), inject: [IssuerConfig] },
    { provide: GatewayRegister, useExisting: Gateways },
    StateLog, Stops, Issues, ActivePolicy, Secrets, Claims, Limits, Sealing, Reader, Verifier, Gateways, Rotations, Incidents, Callers, Inventory, Fleet, RevokeByPossession,
    ConfirmJob,
    Replica, Recheck, Hints, Usage, Uploads, VerifyRoutes, ForwardAuth, HotDoor, OnRpc, ExpireJob, RetireJob, ReplaceJob, BurnJob, SweepJob, TripwireJob, Transfers, Departures, DeparturesJob, SilentVerifiersJob,
  ],
  exports: [GatewayRegister],
})
export class IssuerModule {}
