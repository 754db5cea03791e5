import { DataSource } from 'typeorm';
import { Transactions } from '@writ/messaging';
import { Clock } from '@writ/service';
import type { AuditConfig } from '../config.js';
import { AppendStore } from '../entries/append.store.js';
import { ownLeaf } from '../entries/candidate.js';
import { Signer } from '../site/signer.client.js';
import { Site } from '../site/site.store.js';
import { SubjectStore } from '../subjects/subject.store.js';
import { recoverEntries } from './recover.store.js';

export interface Recovery {
  from: number;
  to: number;
}

/** Recovers the log while the service is stopped, and records in it that this happened. */
export async function recover(config: AuditConfig, onProgress: (done: number, total: number) => void): Promise<Recovery> {
  const source = await new DataSource({ type: 'postgres', url: config.databaseUrl, applicationName: 'writ audit recover' }).initialize();
  try {
    const clock = new Clock();
    const transactions = new Transactions(source, 'audit');
    const log = new AppendStore(config, clock, new SubjectStore());
    await transactions.run((tx) => log.create(tx.db));
    const signed = await new Signer(config).head();
    const { from, to } = await recoverEntries(transactions, config.logOrigin, new Site(config).tiles, signed, onProgress);
    if (to === from) return { from, to };
    log.signedUpTo(to);
    await transactions.run((tx) => log.append(tx.db, [ownLeaf(clock.newId('evt'), 'log.recovered', clock.now(), { from, to })]));
    return { from, to };
  } finally {
    await source.destroy();
  }
}
