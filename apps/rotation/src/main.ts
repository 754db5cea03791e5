import { runService } from '@writ/service';
import { RotationConfig } from './config.js';
import { RotationModule } from './rotation.module.js';

await runService({ name: 'rotation', module: RotationModule, config: RotationConfig });
