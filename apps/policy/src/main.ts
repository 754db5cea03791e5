import { runService } from '@writ/service';
import { PolicyConfig } from './config.js';
import { PolicyModule } from './policy.module.js';

await runService({ name: 'policy', module: PolicyModule, config: PolicyConfig });
