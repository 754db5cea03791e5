import { Module } from '@nestjs/common';
import { AppendStore } from './entries/append.store.js';
import { EntriesController } from './entries/entries.controller.js';
import { EntryStore } from './entries/entries.store.js';
import { OnEverything } from './entries/on-everything.js';
import { PublishJob } from './site/publish.job.js';
import { Signer } from './site/signer.client.js';
import { SiteController } from './site/site.controller.js';
import { Site } from './site/site.store.js';
import { SubjectStore } from './subjects/subject.store.js';

@Module({
  controllers: [OnEverything, SiteController, EntriesController],
  providers: [AppendStore, EntryStore, SubjectStore, Site, Signer, PublishJob],
})
export class AuditModule {}
