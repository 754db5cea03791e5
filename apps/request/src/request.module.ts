import { Module } from '@nestjs/common';
import { loadSigningKey } from '@writ/service';
import { RequestConfig } from './config.js';
import { EarlyEventsJob } from './early-events.job.js';
import { Intake, SIGNING_KEY } from './intake.js';
import { OnDecision } from './on-decision.js';
import { OnUpstreamSubmission } from './on-submission.js';
import { OnTokenEvent } from './on-token-event.js';
import { RegistryController } from './registry.controller.js';
import { RequestsController } from './requests.controller.js';

@Module({
  controllers: [OnUpstreamSubmission, OnDecision, OnTokenEvent, RequestsController, RegistryController],
  providers: [
    Intake, EarlyEventsJob,
    { provide: SIGNING_KEY, useFactory: ({ keysDir }: RequestConfig) => loadSigningKey(keysDir), inject: [RequestConfig] },
  ],
})
export class RequestModule {}
