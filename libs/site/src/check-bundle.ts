import { hash } from 'node:crypto';
import type { ProofBundle, ProvenHead, ProvenUse } from '@writ/contracts';
import { decodeHash, hashLeaf, parseProofFile, TlogError, verifyInclusion, verifyProofFile, type Checkpoint, type Policy } from '@writ/tlog';
import { judgeLife, type JudgedLeaf, type JudgedUse, type TokenLife } from '../page/judge.js';

export interface BundleReport {
  /** What is wrong, in words; empty when everything is proven. */
  findings: string[];
  /** The largest checkpoint that an entry is proven under. */
  checkpoint: Checkpoint | undefined;
  /** The token's life as the proven leaves tell it. */
  life: { index: number; at: string; type: string }[];
  /** Of the first so many entries of the log none about the token is missing; undefined where no sealed heads show it. */
  completeUpTo: number | undefined;
}

/**
 * Checks a proof bundle from its own bytes and keys from elsewhere, offline: every leaf is in the log, every shown field
 * is the one that was hashed, every use is in its batch; and by the rules that the verifier page has too, nothing that
 * belongs to the token's life is left out. What a bundle cannot show is that nothing happened after the last sealed heads.
 */
export function checkBundle(bundle: ProofBundle, policy: Policy): BundleReport {
  const report: BundleReport = { findings: [], checkpoint: undefined, life: [], completeUpTo: undefined };
  const leaves = new Map<number, JudgedLeaf>();
  const statements = new Map<number, string>();
  for (const entry of bundle.entries) {
    report.findings.push(...wrongIn(`entry ${(entry as typeof entry | null)?.index}`, () => {
      const { leaf, checkpoint, statement } = checkEntry(entry, policy);
      leaves.set(entry.index, leaf);
      if (statement !== undefined) statements.set(entry.index, `sha256:${hash('sha256', statement, 'hex')}`);
      if (!report.checkpoint || checkpoint.size > report.checkpoint.size) report.checkpoint = checkpoint;
      report.life.push({ index: entry.index, at: leaf.rec, type: leaf.type });
    }));
  }
  const uses: JudgedUse[] = [];
  for (const use of bundle.uses) {
    const { place, batch } = (use as typeof use | null) ?? {};
    report.findings.push(...wrongIn(`use ${place} of batch ${batch}`, () => {
      uses.push({ batch: use.batch, place: use.place, use: checkUse(use, leaves.get(use.batch), bundle.tokenId) });
    }));
  }
  let newest: TokenLife['newest'];
  if (bundle.newest) report.findings.push(...wrongIn('the sealed end of the token’s history', () => { newest = checkNewest(bundle.newest!, bundle.tokenId, policy); }));
  report.findings.push(...judgeLife({ tokenId: bundle.tokenId, requestId: bundle.requestId, leaves, statements, uses, newest }));
  if (newest) report.completeUpTo = Number(newest.heads.data?.size);
  return report;
}

/** A part of the bundle that contradicts another. */
class Mismatch extends Error {}

function wrongIn(what: string, check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    // A file may hold anything in place of text and lists.
    if (error instanceof TlogError || error instanceof Mismatch) return [`${what}: ${error.message}`];
    if (['SyntaxError', 'TypeError'].includes((error as Error).name)) return [`${what}: it is malformed`];
    throw error;
  }
}

function checkEntry({ index, leaf: text, proof, disclosures }: ProofBundle['entries'][number], policy: Policy): { leaf: JudgedLeaf; checkpoint: Checkpoint; statement?: string } {
  const file = parseProofFile(proof);
  if (file.index !== index) throw new Mismatch(`its proof is of entry ${file.index}`);
  const { checkpoint } = verifyProofFile(file, hashLeaf(Buffer.from(text)), policy);
  const leaf = JSON.parse(text) as JudgedLeaf;
  if (leaf.seq !== String(index) || leaf.log !== checkpoint.origin) throw new Mismatch('the leaf names another place or log');
  let statement: string | undefined;
  for (const disclosure of disclosures) {
    if (!leaf._sd?.includes(hash('sha256', disclosure, 'base64url'))) throw new Mismatch('a shown field is not the one that was recorded');
    const [, name, value] = opened(disclosure);
    if (name === 'statement' && typeof value === 'string') statement = value;
  }
  return { leaf, checkpoint, statement };
}

function checkUse({ place, disclosure, proof }: ProvenUse, batch: JudgedLeaf | undefined, tokenId: string): JudgedUse['use'] {
  const { root, records } = batch?.data ?? {};
  if (typeof root !== 'string') throw new Mismatch('its batch is not among the proven entries');
  if (!verifyInclusion(place, Number(records), hashLeaf(Buffer.from(disclosure)), proof.map(decodeHash), decodeHash(root))) throw new Mismatch('it is not in the batch');
  const [, , use] = opened(disclosure) as [string, string, JudgedUse['use']];
  if (use.tokenId !== tokenId) throw new Mismatch('it is of another token');
  return use;
}

/** The heads of all tokens were sealed into one leaf; this is what it says of the token's. */
function checkNewest({ index, k, place, proof, heads }: ProvenHead, tokenId: string, policy: Policy): TokenLife['newest'] {
  const { leaf } = checkEntry(heads, policy);
  const { root, tokens } = leaf.data ?? {};
  const isSealed = verifyInclusion(place, Number(tokens), hashLeaf(Buffer.from(`${tokenId} ${index} ${k}`)), proof.map(decodeHash), decodeHash(String(root)));
  if (!isSealed) throw new Mismatch('it is not what was sealed');
  return { index, k, heads: leaf };
}

function opened(disclosure: string): unknown[] {
  return JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as unknown[];
}
