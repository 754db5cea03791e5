import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { digestOfText } from '@writ/contracts';
import { folderSource, parsePolicy, urlSource, verifyLog, type Checkpoint } from '@writ/tlog';
import { Ended, exitCodes } from '../exit.js';
import type { Output } from '../output.js';
import { savePrivately, stateFile, type Session } from '../session.js';

interface Context { session: Session; output: Output }
interface VerifyOptions { vkey?: string; policy?: string; forget?: boolean }

/** `writ audit verify|search`. */
export function addAuditCommands(program: Command, context: () => Context): void {
  const audit = program.command('audit').description('Check and search the log of everything that happened');
  audit.command('verify [source]')
    .description('Recompute the whole log from a folder or address, offline and without trusting it; remembers what it saw')
    .option('--vkey <vkey>', 'the log’s public key, from another channel than the log itself')
    .option('--policy <file>', 'a tlog-policy file with the log’s and witnesses’ keys')
    .option('--forget', 'do not compare with the checkpoint of the last time')
    .action((source: string | undefined, options: VerifyOptions) => verify(source, options, context()));
  audit.command('search')
    .description('Find entries over the whole log')
    .option('--token <tokenId>').option('--actor <id>').option('--type <event>').option('--from <time>').option('--to <time>').option('--event <id>', 'an X-Audit-Receipt')
    .option('--limit <n>', 'at the most', '100')
    .action((options: Record<string, string>) => search(options, context()));
  audit.command('proof <index>')
    .description('Print the proof that an entry is in the log (c2sp.org/tlog-proof)')
    .action(async (index: string) => {
      const { session } = context();
      process.stdout.write(await session.writ('auditor').audit.text(`/v1/entries/${index}/proof`));
    });
}

async function verify(source: string | undefined, options: VerifyOptions, { session, output }: Context): Promise<void> {
  const where = source ?? session.variable('WRIT_AUDIT_URL');
  const policyText = options.policy ? readFileSync(options.policy, 'utf8') : `log ${options.vkey ?? session.variable('WRIT_LOG_VKEY')}\nquorum none\n`;
  const policy = parsePolicy(policyText);
  const memory = stateFile(`checkpoints/${digestOfText(policyText).slice('sha256:'.length, 23)}.json`);
  const remembered = !options.forget && existsSync(memory) ? recall(readFileSync(memory, 'utf8')) : undefined;
  const startedAt = Date.now();
  const report = await verifyLog(/^https?:/.test(where) ? urlSource(where) : folderSource(where), {
    policy, remembered: remembered ? [remembered] : [],
    onProgress: (checked, total) => output.progress(`${bar(checked / Math.max(1, total))} ${checked.toLocaleString('en')} of ${total.toLocaleString('en')} entries`),
  });
  output.progressDone();
  const seconds = (Date.now() - startedAt) / 1000;
  const intact = report.findings.length === 0;
  const checkpoint = report.verdict?.checkpoint;
  const facts = checkpoint && { origin: checkpoint.origin, size: checkpoint.size, root: Buffer.from(checkpoint.root).toString('base64') };
  const witnesses = report.verdict?.cosigned.map(({ name }) => name) ?? [];
  output.answer({ intact, ...facts, checked: report.checked, witnesses, findings: report.findings, seconds }, () => output.facts({
    verdict: intact ? output.colors.green('intact') : output.colors.red('NOT INTACT'),
    log: facts?.origin,
    entries: facts && `${report.checked.toLocaleString('en')} of ${facts.size.toLocaleString('en')}, in ${seconds.toFixed(1)} s`,
    root: facts?.root,
    'last time': remembered === undefined ? 'none remembered: from now on this one is' : `${remembered.size.toLocaleString('en')} entries; ${intact ? 'this log begins with them' : 'see the findings'}`,
    witnesses: witnesses.length > 0 ? witnesses.join(', ') : 'none: not protected against others being shown another log',
    findings: report.findings.map(({ code, detail }) => `${code}: ${detail}`).join('\n'),
  }));
  if (!intact) throw new Ended(exitCodes.failed, 'The log is not what it claims to be.');
  if (facts) savePrivately(memory, `${JSON.stringify(facts)}\n`);
}

function recall(text: string): Checkpoint {
  const { origin, size, root } = JSON.parse(text) as { origin: string; size: number; root: string };
  return { origin, size, root: Buffer.from(root, 'base64') };
}

function bar(share: number): string {
  const width = 24;
  const full = Math.round(Math.min(1, share) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}

interface Entry { index: number; type: string; recordedAt: string; tokenId?: string; actor?: string; eventId: string }

async function search({ limit, ...query }: Record<string, string>, { session, output }: Context): Promise<void> {
  const rows: Entry[] = [];
  for await (const row of session.writ('auditor').audit.pages<Entry>('/v1/entries', query)) {
    rows.push(row);
    if (rows.length >= Number(limit)) break;
  }
  output.rows(rows, {
    index: (row) => String(row.index), recorded: (row) => row.recordedAt, type: (row) => row.type, token: (row) => row.tokenId ?? '', actor: (row) => row.actor ?? '',
  }, 'No entry fits.');
}
