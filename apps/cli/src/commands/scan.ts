import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { Http } from '@writ/client';
import type { Secret } from '@writ/token';
import { allowFile, isAllowed, readAllowed, type Allowed } from '../allow-file.js';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { SecretFinder, type Find } from '../find-secrets.js';
import { git, gitList, inRepository } from '../git.js';
import { PatchReader } from '../patch-reader.js';
import { wholeNumber } from '../wait.js';

interface ScanOptions { staged?: boolean; history?: boolean; burn?: boolean; report: 'text' | 'json'; maxMegabytes: string }

const binaryProbe = 8_192;
/** The issuer takes fifty at once from one address, then five a second. */
const burnPauseMs = 220;
/** Written by tools in masses, and never by hand. */
const skippedFolders = new Set(['.git', 'node_modules']);

/** `writ scan`: finds secrets of this platform where they should not be. */
export function addScanCommand(program: Command, context: () => Context): void {
  program.command('scan [paths...]')
    .description('Find secrets in files, git’s index or history, or stdin (-); never prints one')
    .option('--staged', 'what the next commit would add: for a pre-commit hook')
    .option('--history', 'everything that was ever committed, on any branch')
    .option('--burn', 'end the token of every secret that is found, at once and for ever')
    .addOption(new Option('--report <form>', 'how to list the finds').choices(['text', 'json']).default('text'))
    .option('--max-megabytes <n>', 'skip larger files', '20')
    .addHelpText('after', `\nExits with 1 when anything is found, but for secrets that ${allowFile} lists by their SHA-256. As a pre-commit hook:\n  printf '#!/bin/sh\\nexec writ scan --staged\\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit`)
    .action((paths: string[], options: ScanOptions) => scan(paths, options, context()));
}

/** What one scan has come to so far. */
class Scan {
  readonly finds: Find[] = [];
  readonly secrets = new Map<string, Secret>();
  files = 0;
  skipped = 0;
  commits = 0;
  allowed = 0;

  constructor(private readonly list: Allowed) {}

  readonly onFind = (find: Find, secret: Secret): void => {
    if (isAllowed(this.list, secret)) {
      this.allowed += 1;
      return;
    }
    this.finds.push(find);
    this.secrets.set(secret.reveal(), secret);
  };

  /** Reads one stream to its end, unless its beginning looks binary. */
  async read(place: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const finder = new SecretFinder(place, this.onFind);
    let isFirst = true;
    for await (const piece of pieces) {
      if (isFirst && piece.subarray(0, binaryProbe).includes(0)) {
        this.skipped += 1;
        return;
      }
      isFirst = false;
      finder.write(piece);
    }
    finder.end();
    this.files += 1;
  }
}

async function scan(paths: string[], options: ScanOptions, { session, output }: Context): Promise<void> {
  const asked = [options.staged, options.history, paths.length > 0].filter(Boolean).length;
  if (asked > 1) throw new Ended(exitCodes.usage, 'Say one of paths, --staged and --history.', 'Run it twice to scan two things.');
  const found = new Scan(readAllowed(process.cwd()));
  const show = () => output.progress(`${found.files.toLocaleString('en')} files, ${found.commits.toLocaleString('en')} commits, ${found.finds.length} found`);
  if (options.staged || options.history) await inRepository();
  if (options.staged) await scanStaged(found);
  else if (options.history) await scanHistory(found, show);
  else for (const path of paths.length > 0 ? paths : ['.']) await scanPath(path, found, wholeNumber(options.maxMegabytes) * 1024 * 1024, show);
  output.progressDone();
  const burnt = options.burn && found.secrets.size > 0 ? await burn([...found.secrets.values()], session.variable('WRIT_ISSUER_URL')) : undefined;
  report(found, burnt, options.report === 'json', output);
  if (found.finds.length === 0) return;
  const count = found.secrets.size === 1 ? 'A secret is' : `${found.secrets.size} secrets are`;
  throw new Ended(exitCodes.failed, `${count} where none may be.`, burnt === undefined ? 'Scan again with --burn to end their tokens: taking it out of the file is not enough once it was pushed.' : 'Their tokens end within seconds. Request new ones.');
}

function report({ finds, files, skipped, commits, allowed }: Scan, burnt: number | undefined, asJson: boolean, output: Context['output']): void {
  if (asJson || output.json) return output.print(JSON.stringify({ finds, files, skipped, commits, allowed, ...(burnt === undefined ? {} : { burnt }) }));
  output.rows(finds, {
    place: ({ place, line, column }) => `${place}:${line}:${column}`, environment: ({ environment }) => environment, fingerprint: ({ fingerprint }) => fingerprint,
  }, 'No secret was found.');
  const looked = [files > 0 ? `${files.toLocaleString('en')} read` : '', skipped > 0 ? `${skipped.toLocaleString('en')} binary or too large, skipped` : '', commits > 0 ? `${commits.toLocaleString('en')} commits` : '', allowed > 0 ? `${allowed.toLocaleString('en')} allowed by ${allowFile}` : ''];
  output.say(`${looked.filter(Boolean).join(', ') || 'nothing to look at'}${burnt === undefined ? '' : `; ${burnt} burnt`}.`);
}

async function scanPath(path: string, found: Scan, maxBytes: number, show: () => void): Promise<void> {
  if (path === '-') return found.read('stdin', process.stdin);
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Ended(error.code === 'ENOENT' ? exitCodes.notFound : exitCodes.failed, `${path} ${error.code === 'ENOENT' ? 'is not there' : 'cannot be read'}.`);
  });
  show();
  if (facts.isDirectory()) {
    for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory() && skippedFolders.has(entry.name)) continue;
      if (entry.isDirectory() || entry.isFile()) await scanPath(join(path, entry.name), found, maxBytes, show);
    }
  } else if (facts.size > maxBytes) found.skipped += 1;
  else await found.read(path, createReadStream(path, { highWaterMark: 256 * 1024 }));
}

/** The index, not the files beside it: what is committed is what was added, however the file looks now. A submodule is a commit's name there, no content. */
async function scanStaged(found: Scan): Promise<void> {
  for (const path of await gitList(['diff', '--cached', '--name-only', '--diff-filter=d', '--ignore-submodules=all', '-z'])) {
    await found.read(path, git(['cat-file', '--filters', `:${path}`]));
  }
}

async function scanHistory(found: Scan, show: () => void): Promise<void> {
  const reader = new PatchReader(found.onFind);
  for await (const piece of git(['log', '--all', '-p', '-U0', '-m', '--no-color', '--no-ext-diff', '--no-textconv', '--format=commit %H%n%B'])) {
    reader.write(piece);
    found.commits = reader.commits;
    show();
  }
  reader.end();
}

async function burn(secrets: readonly Secret[], issuer: string): Promise<number> {
  const service = new Http(issuer, undefined);
  for (const [i, secret] of secrets.entries()) {
    if (i >= 40) await new Promise((resolve) => setTimeout(resolve, burnPauseMs));
    await service.post('/v1/burn', { body: { token: secret.reveal() } });
  }
  return secrets.length;
}
