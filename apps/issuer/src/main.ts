import { runService } from '@writ/service';
import { IssuerConfig } from './config.js';
import { IssuerModule } from './issuer.module.js';

await runService({ name: 'issuer', module: IssuerModule, config: IssuerConfig });
