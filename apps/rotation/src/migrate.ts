import { migrate } from '@writ/service';
import * as migrations from './migrations/index.js';

const done = await migrate(migrations);
process.stdout.write(`rotation: ${done.length === 0 ? 'nothing to migrate' : done.join(', ')}\n`);
