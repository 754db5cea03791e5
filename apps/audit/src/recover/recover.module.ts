import { DataSource } from 'typeorm';
import { Transactions } from '@writ/messaging';
import { Clock } from '@writ/service';
import type { AuditConfig } from '../config.js';
import { AppendStore } from '../entries/append.store.js';
import { ownLeaf } from '../entries/candidate.js';
import { Signer } from '../site/signer.client.js';
import { Site } from '../site/site.store.js';
import { SubjectStore } from '../subjects/subject.store.js';
import { countAnew } from './counters.store.js';
import { recoverEntries, type Recovery, type RecoverOptions } from './recover.store.js';

/** Recovers the log while the service is stopped, and records in it that this happened. */
export async function recover(config: AuditConfig, options: Omit<RecoverOptions, 'onLast'>): Promise<Recovery> {
  const source = await new DataSource({ type: 'postgres', url: config.databaseUrl, applicationName: 'writ audit recover' }).initialize();
  try {
    const clock = new Clock();
    await clock.follow(source, Infinity);
    const transactions = new Transactions(source, 'audit');
    const subjects = new SubjectStore();
    const log = new AppendStore(config, clock, subjects);
    await transactions.run((tx) => log.create(tx.db));
    const signed = await new Signer(config).head();
    log.signedUpTo(signed.size);
    return await recoverEntries(transactions, config.logOrigin, new Site(config).tiles, signed, subjects, {
      ...options,
      onLast: async ({ db }, from, to) => {
        await countAnew(db, (await log.lock(db)).logId, from);
        await log.append(db, [ownLeaf(clock.newId('evt'), 'log.recovered', clock.now(), { from, to })]);
      },
    });
  } finally {
    await source.destroy();
  }
}
