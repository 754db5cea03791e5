import type { Type } from '@nestjs/common';
import { startService, type ServiceConfig } from '@writ/service';

/** The rotation service as a process of its own, so that its cost can be told from the driver's. */
const built = (file: string) => new URL(`../../../apps/rotation/dist/${file}`, import.meta.url).href;
const { RotationModule } = (await import(built('rotation.module.js'))) as { RotationModule: Type };
const { RotationConfig } = (await import(built('config.js'))) as { RotationConfig: new () => ServiceConfig };
const service = await startService({ name: 'rotation', module: RotationModule, config: RotationConfig });
process.once('SIGTERM', () => void service.close().then(() => process.exit(0)));
process.send?.('ready');
