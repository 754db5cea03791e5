import { Module } from '@nestjs/common';
import { AppendStore } from './entries/append.store.js';
import { EntriesController } from './entries/entries.controller.js';
import { EntryStore } from './entries/entries.store.js';
import { OnEverything } from './entries/on-everything.js';
import { HeadsJob } from './heads/heads.job.js';
import { Findings } from './monitor/findings.store.js';
import { FollowJob } from './monitor/follow.job.js';
import { PatrolJob } from './monitor/patrol.job.js';
import { TellJob } from './monitor/tell.job.js';
import { UsesJob } from './monitor/uses.job.js';
import { MirrorJob } from './site/mirror.job.js';
import { PublishJob } from './site/publish.job.js';
import { Signer } from './site/signer.client.js';
import { SiteController } from './site/site.controller.js';
import { Site } from './site/site.store.js';
import { SubjectStore } from './subjects/subject.store.js';
import { SubjectsController } from './subjects/subjects.controller.js';
import { CosignJob } from './witness/cosign.job.js';
import { Cosigners } from './witness/cosigners.client.js';
import { WitnessController } from './witness/witness.controller.js';
import { Witness } from './witness/witness.store.js';

@Module({
  controllers: [OnEverything, SiteController, EntriesController, SubjectsController, WitnessController],
  providers: [
    AppendStore, EntryStore, SubjectStore, Site, Signer, Cosigners, Witness, Findings,
    PublishJob, CosignJob, MirrorJob, HeadsJob, PatrolJob, UsesJob, FollowJob, TellJob,
  ],
})
export class AuditModule {}
