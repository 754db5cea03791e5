import { Module } from '@nestjs/common';
import { loadSigningKey, WebhookDeliveries } from '@writ/service';
import { CalendarJob } from './calendar.job.js';
import { CampaignsController } from './campaigns.controller.js';
import { CampaignsJob } from './campaigns.job.js';
import { RotationConfig } from './config.js';
import { ExpiriesJob } from './expiries.job.js';
import { LateDeliveries } from './late-delivery.store.js';
import { Notices } from './notice.store.js';
import { OnToken } from './on-token.js';
import { OnUsage } from './on-usage.js';
import { Orders, SIGNING_KEY } from './orders.store.js';
import { RotationsController } from './rotations.controller.js';
import { TokenLife } from './token-life.js';

@Module({
  controllers: [OnToken, OnUsage, RotationsController, CampaignsController],
  providers: [
    { provide: SIGNING_KEY, useFactory: ({ keysDir }: RotationConfig) => loadSigningKey(keysDir), inject: [RotationConfig] },
    Orders, LateDeliveries, TokenLife, CalendarJob, CampaignsJob, ExpiriesJob, Notices, WebhookDeliveries.of(RotationConfig),
  ],
})
export class RotationModule {}
