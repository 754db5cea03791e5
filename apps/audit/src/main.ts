import { runService } from '@writ/service';
import { AuditModule } from './audit.module.js';
import { AuditConfig } from './config.js';

await runService({ name: 'audit', module: AuditModule, config: AuditConfig });
