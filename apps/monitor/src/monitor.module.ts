import { Module } from '@nestjs/common';
import { loadSecretKeys, loadSigningKey, WebhookDeliveries } from '@writ/service';
import { Alerts, SIGNING_KEY } from './alerts/alert.store.js';
import { AlertsController } from './alerts/alerts.controller.js';
import { Bait } from './bait/bait.store.js';
import { Baselines } from './baselines/baseline.store.js';
import { MonitorConfig } from './config.js';
import { DetectorsController } from './detectors/detectors.controller.js';
import { Dismissals } from './alerts/dismissal.store.js';
import { Places } from './detectors/geo.store.js';
import { Honeytokens, HONEYTOKEN_KEYS } from './bait/honeytoken.store.js';
import { HoneytokensController } from './bait/honeytokens.controller.js';
import { leakKeysOf } from './leaks/leak-report.js';
import { LEAK_KEYS, LeaksController } from './leaks/leaks.controller.js';
import { NarrowJob } from './usage/narrow.job.js';
import { Notices } from './alerts/notice.store.js';
import { OnPlatform } from './alerts/on-platform.js';
import { OnStop } from './alerts/on-stop.js';
import { OnToken } from './usage/on-token.js';
import { OnUsage } from './usage/on-usage.js';
import { UpkeepJob } from './usage/upkeep.job.js';
import { UsageController } from './usage/usage.controller.js';
import { WatchController } from './usage/watch.controller.js';

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
