import { writeFileSync } from 'node:fs';
import type { Http } from '@writ/client';
import { idPattern, type ProofBundle, type ProvenEntry, type ProvenUse } from '@writ/contracts';
import { checkBundle } from '@writ/site';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { readText, trustOf, type TrustOptions } from '../log-policy.js';
import { painted, type Output, type Painted } from '../output.js';

/** Fetches a token's proof bundle into a file, or takes such a file, and checks it with nothing else than the log's key. */
export async function prove(what: string, { out, ...options }: TrustOptions & { out?: string }, { session, output }: Context): Promise<void> {
  const isToken = idPattern('tok').test(what); // The file that this writes begins with a token's id, too.
  const { policy } = trustOf(options, session);
  const bundle = isToken ? await fetchBundle(what, session.writ('auditor').audit, output) : parseBundle(readText(what), what);
  const file = isToken ? (out ?? `${what}.proof.json`) : what;
  if (isToken) writeFileSync(file, JSON.stringify(bundle));
  const { findings, checkpoint, life, completeUpTo } = checkBundle(bundle, policy);
  const proven = findings.length === 0;
  const { tokenId, truncated } = bundle;
  output.answer({ proven, truncated, completeUpTo, file, tokenId, entries: bundle.entries.length, uses: bundle.uses.length, size: checkpoint?.size, findings, life }, () => output.facts({
    verdict: verdictOf(proven, truncated),
    token: tokenId,
    request: bundle.requestId,
    entries: `${bundle.entries.length}, under a checkpoint of ${checkpoint?.size.toLocaleString('en') ?? 'no'} entries of ${bundle.origin}`,
    uses: truncated ? `${bundle.uses.length}; the token has more changes than one file carries` : String(bundle.uses.length),
    complete: proven ? completeness(completeUpTo) : undefined,
    file,
    ...Object.fromEntries(findings.map((finding, i) => [`finding ${i + 1}`, finding])),
  }));
  if (!output.json) {
    output.print('');
    output.rows(life, { at: ({ at }) => at, what: ({ type }) => type, entry: ({ index }) => String(index) }, 'Nothing in it is proven.');
  }
  if (!proven) throw new Ended(exitCodes.failed, 'The file does not prove what it says.', 'Fetch it again; if it stays so, keep both files as evidence.');
}

/** The whole of it, however many answers its uses take. */
async function fetchBundle(tokenId: string, audit: Pick<Http, 'text'>, output: Output): Promise<ProofBundle> {
  const page = async (query: string) => parseBundle(await audit.text(`/v1/tokens/${tokenId}/proof-bundle${query}`), tokenId);
  const entries = new Map<number, ProvenEntry>();
  const uses: ProvenUse[] = [];
  let after = -1;
  for (let bundle = await page(''); ; bundle = await page(`?uses=${bundle.nextUses}`)) {
    for (const entry of bundle.entries) entries.set(entry.index, entry);
    uses.push(...bundle.uses);
    if (bundle.nextUses === undefined) {
      output.progressDone();
      return { ...bundle, entries: [...entries.values()].sort((a, b) => a.index - b.index), uses };
    }
    // The log's keeper is not trusted, so not with how often we ask either.
    if (bundle.nextUses <= after) throw new Ended(exitCodes.failed, 'The audit service answers with the same uses again and again.', 'Fetch it again; if it stays so, ask the other replicas.');
    after = bundle.nextUses;
    output.progress(`${uses.length.toLocaleString('en')} uses so far`);
  }
}

/** What a file does not carry contradicts nothing that it does, so a long life is proven as far as it is shown. */
function verdictOf(proven: boolean, truncated: boolean): Painted {
  if (!proven) return painted('bad', 'NOT PROVEN');
  return truncated ? painted('mild', 'proven as far as it goes') : painted('good', 'proven');
}

function completeness(upTo: number | undefined): string {
  return upTo === undefined ? 'between its entries; what came after the last one is not shown' : `up to entry ${(upTo - 1).toLocaleString('en')} of the log, by its sealed heads`;
}

function parseBundle(text: string, what: string): ProofBundle {
  try {
    const bundle = JSON.parse(text) as ProofBundle | null;
    if (bundle?.format === 'writ-proof-bundle/1' && Array.isArray(bundle.entries) && Array.isArray(bundle.uses)) return bundle;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Ended(exitCodes.usage, `${what} is not a proof bundle.`, 'Give a token’s id, or the file that writ audit prove wrote.');
}
