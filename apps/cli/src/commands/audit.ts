import type { Command } from 'commander';
import type { LogEntry } from '@writ/contracts';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import type { TrustOptions } from '../log-policy.js';
import { firstOf } from '../output.js';
import { wholeNumber } from '../wait.js';
import { exportLog, type ExportOptions } from './audit-export.js';
import { mirrorToStore } from './audit-mirror.js';
import { prove } from './audit-prove.js';
import { recoverLog, type RecoverOptions } from './audit-recover.js';
import { verify } from './audit-verify.js';
import { watch } from './audit-watch.js';

/** `writ audit verify|export|prove|watch|recover|search|proof`. */
export function addAuditCommands(program: Command, context: () => Context): void {
  const audit = program.command('audit').description('Check, search, export and watch the log of everything that happened');
  const trusting = (command: Command) => command
    .option('--vkey <vkey>', 'the log’s public key, from another channel than the log itself')
    .option('--policy <file>', 'a tlog-policy file with the log’s and witnesses’ keys');
  trusting(audit.command('verify [source]'))
    .description('Recompute the whole log from a folder or address, offline and without trusting it; remembers what it saw')
    .option('--forget', 'do not compare with the checkpoint of the last time')
    .action((source: string | undefined, options: TrustOptions) => verify(source, options, context()));
  trusting(audit.command('export [folder]'))
    .description('Fetch the whole log into a folder or an S3-compatible store, for anybody to check; again to go on or to catch up')
    .option('--from <address>', 'the log’s address, instead of the installation’s')
    .option('--disclosures', 'with what is personal in the entries, as far as you may see it')
    .option('--to <s3-address>', 's3://bucket/prefix instead of a folder; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL say how')
    .action((folder: string | undefined, options: ExportOptions & { to?: string }) => exportTo(folder, options, context()));
  trusting(audit.command('prove <tokenId|file>'))
    .description('Fetch a token’s life with all proofs into one file; or check such a file, offline')
    .option('--out <file>', 'where to write it')
    .action((what: string, options: TrustOptions & { out?: string }) => prove(what, options, context()));
  trusting(audit.command('watch'))
    .description('Follow the log, verify that it only grows, and print what is new, until Ctrl-C')
    .option('--forget', 'begin now, whatever was seen the last time')
    .option('--type <event>', 'show only these, such as token.revoked')
    .option('--token <tokenId>', 'show only what is about this token')
    .action((options: TrustOptions & { type?: string; token?: string }) => watch(options, context()));
  audit.command('recover')
    .description('Operators: bring a restored audit database up to what was signed, from the published files, before the service starts')
    .option('--from <folder>', 'the published files, instead of the service’s own')
    .action((options: RecoverOptions) => recoverLog(options));
  audit.command('search')
    .description('Find entries over the whole log')
    .option('--token <tokenId>', 'about this token')
    .option('--actor <id>', 'of this person or machine')
    .option('--type <event>', 'of this type, such as token.issued')
    .option('--from <time>', 'recorded at or after')
    .option('--to <time>', 'recorded before')
    .option('--event <id>', 'with this event id, which an X-Audit-Receipt is')
    .option('--limit <n>', 'at the most', '100')
    .action((options: Record<string, string>) => search(options, context()));
  audit.command('proof <index>')
    .description('Print the proof that an entry is in the log (c2sp.org/tlog-proof)')
    .action(async (index: string) => {
      const { session } = context();
      process.stdout.write(await session.writ('auditor').audit.text(`/v1/entries/${wholeNumber(index)}/proof`));
    });
}

async function exportTo(folder: string | undefined, { to, ...options }: ExportOptions & { to?: string }, given: Context): Promise<void> {
  if ((folder === undefined) === (to === undefined)) throw new Ended(exitCodes.usage, 'Name a folder, or with --to an object store.');
  if (to !== undefined && options.disclosures) throw new Ended(exitCodes.usage, 'What is personal goes into a folder of yours, never into a store that serves it.');
  await (folder !== undefined ? exportLog(folder, options, given) : mirrorToStore({ ...options, to: to! }, given));
}

async function search({ limit, ...query }: Record<string, string>, { session, output }: Context): Promise<void> {
  const rows = await firstOf(session.writ('auditor').audit.pages<LogEntry>('/v1/entries', query), wholeNumber(limit!));
  output.rows(rows, {
    index: (row) => String(row.index), recorded: (row) => row.recordedAt, type: (row) => row.type, about: (row) => row.tokenId ?? row.requestId ?? '',
  }, 'No entry fits.');
}
