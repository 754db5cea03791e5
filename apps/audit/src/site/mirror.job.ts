import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { Health, Jobs } from '@writ/service';
import { contentTypeOf, mirrorLog, s3Target, verifierPage, type MirrorTarget } from '@writ/site';
import { AuditConfig } from '../config.js';
import { CosignJob } from '../witness/cosign.job.js';
import { alone } from './alone.store.js';
import { Signer } from './signer.client.js';
import { Site } from './site.store.js';

const everyMs = 2_000;
/** Any constant will do; one copies at a time per database, so that no checkpoint is followed by an older one. */
const lockId = 4_001_703;

/**
 * Copies what this replica has published to an object store, tiles first, the checkpoint last. A store that is away
 * holds nobody up: the log goes on, and the copy catches up. How far it is behind is a metric, and its failures are in
 * the log.
 */
@Injectable()
export class MirrorJob implements OnModuleInit {
  private mirrored = 0;

  constructor(
    private readonly config: AuditConfig,
    private readonly source: DataSource,
    private readonly site: Site,
    private readonly signer: Signer,
    private readonly cosigning: CosignJob,
    private readonly jobs: Jobs,
    private readonly health: Health,
  ) {}

  onModuleInit(): void {
    const { auditMirror: address, auditMirrorEndpoint: endpoint, auditMirrorRegion: region, auditMirrorKeyId, auditMirrorSecret } = this.config;
    if (address === undefined) return;
    const page = Buffer.from(verifierPage().html);
    const target = s3Target({ address, endpoint, region, accessKeyId: auditMirrorKeyId!, secretAccessKey: auditMirrorSecret! });
    this.jobs.every(everyMs, 'mirror-log', () => this.round(target, page));
    const behind: Gauge = new Gauge({
      name: 'writ_audit_mirror_behind', help: 'Published entries that the mirror does not show yet', registers: [this.health.registry],
      collect: async () => { behind.set(Math.max(0, (await this.site.head()).size - this.mirrored)); },
    });
  }

  private async round(target: MirrorTarget, page: Uint8Array): Promise<void> {
    const published = await this.cosigning.shown();
    if (!published || published.size <= this.mirrored) return;
    await alone(this.source, lockId, async () => {
      if (this.mirrored === 0) await target.put('verify.html', page, contentTypeOf('verify.html'));
      this.mirrored = (await mirrorLog(this.site.tiles, Buffer.from(published.note), [await this.signer.key()], target)).to;
    });
  }
}
