import { runService } from '@writ/service';
import { RequestConfig } from './config.js';
import { RequestModule } from './request.module.js';

await runService({ name: 'request', module: RequestModule, config: RequestConfig });
