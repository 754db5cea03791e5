import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { EraseSubject, type EraseAnswer, type EventId } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { AllowAfterStepUp, bodyOf, CallerOf, Clock, notFound, principalOf, type Caller } from '@writ/service';
import { AppendStore } from '../entries/append.store.js';
import { ownLeaf, personOf } from '../entries/candidate.js';
import { disclose, saltBytes } from '../entries/disclosure.js';
import { erasedTexts } from './erase.js';
import { randomSource } from './random.store.js';
import { SubjectStore } from './subject.store.js';

/** Forgets people without breaking a proof: their keys and disclosures go, the leaves stay, and a leaf says so. */
@Controller('v1/subjects')
export class SubjectsController {
  private readonly salt = randomSource(saltBytes);

  constructor(
    private readonly transactions: Transactions<'audit'>,
    private readonly log: AppendStore,
    private readonly subjects: SubjectStore,
    private readonly clock: Clock,
  ) {}

  /** `id` is a person's subject, or the id of one token or request. A person takes their requests and tokens along. */
  @Post(':id/erase')
  @HttpCode(200)
  @AllowAfterStepUp('admin')
  erase(@Param('id') id: string, @Body(bodyOf(EraseSubject)) { basis }: EraseSubject, @CallerOf() caller: Caller): Promise<EraseAnswer> {
    return this.transactions.run(async (tx) => {
      const { logId } = await this.log.lock(tx.db);
      const erased = await this.subjects.erase(tx.db, logId, [personOf(id), id]);
      if (!erased) throw notFound('subject');
      const leaves = erasedTexts(erased.entries, erased.uses).map((text) => {
        const by = { subject: personOf(caller.sub), disclosure: disclose(this.salt(), 'by', principalOf(caller)) };
        return ownLeaf(this.clock.newId('evt'), 'pii.erased', this.clock.now(), { basis, ...text }, [by]);
      });
      await this.log.append(tx.db, leaves);
      const events = leaves.map((leaf) => leaf.id as EventId);
      for (const event of events) tx.wrote(event);
      return { entries: new Set([...erased.entries.keys(), ...erased.uses.keys()]).size, events };
    });
  }
}
