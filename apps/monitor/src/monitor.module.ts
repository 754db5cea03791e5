import { Module } from '@nestjs/common';
import { loadSecretKeys, loadSigningKey, WebhookDeliveries } from '@writ/service';
import { Alerts, SIGNING_KEY } from './alert.store.js';
import { AlertsController } from './alerts.controller.js';
import { Bait } from './bait.store.js';
import { Baselines } from './baseline.store.js';
import { MonitorConfig } from './config.js';
import { DetectorsController } from './detectors.controller.js';
import { Dismissals } from './dismissal.store.js';
import { Places } from './geo.store.js';
import { Honeytokens, HONEYTOKEN_KEYS } from './honeytoken.store.js';
import { HoneytokensController } from './honeytokens.controller.js';
import { leakKeysOf } from './leak-report.js';
import { LEAK_KEYS, LeaksController } from './leaks.controller.js';
import { NarrowJob } from './narrow.job.js';
import { Notices } from './notice.store.js';
import { OnPlatform } from './on-platform.js';
import { OnStop } from './on-stop.js';
import { OnToken } from './on-token.js';
import { OnUsage } from './on-usage.js';
import { UpkeepJob } from './upkeep.job.js';
import { UsageController } from './usage.controller.js';
import { WatchController } from './watch.controller.js';

@Module({
  controllers: [OnUsage, OnToken, OnStop, OnPlatform, AlertsController, UsageController, LeaksController, DetectorsController, HoneytokensController, WatchController],
  providers: [
    Baselines, Bait, Alerts, Dismissals, Honeytokens, Places, Notices, UpkeepJob, NarrowJob, WebhookDeliveries.of(MonitorConfig),
    { provide: HONEYTOKEN_KEYS, useFactory: ({ keysDir }: MonitorConfig) => loadSecretKeys(keysDir, 'honeytoken').map(({ key }) => key), inject: [MonitorConfig] },
    { provide: SIGNING_KEY, useFactory: ({ keysDir }: MonitorConfig) => loadSigningKey(keysDir), inject: [MonitorConfig] },
    { provide: LEAK_KEYS, useFactory: ({ leakKeys }: MonitorConfig) => (leakKeys === undefined ? undefined : leakKeysOf(leakKeys)), inject: [MonitorConfig] },
  ],
})
export class MonitorModule {}
