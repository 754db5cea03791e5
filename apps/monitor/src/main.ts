import { runService } from '@writ/service';
import { MonitorConfig } from './config.js';
import { MonitorModule } from './monitor.module.js';

await runService({ name: 'monitor', module: MonitorModule, config: MonitorConfig });
