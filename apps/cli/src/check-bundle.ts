import { hash } from 'node:crypto';
import type { ProofBundle, ProvenHead, ProvenUse } from '@writ/contracts';
import { decodeHash, hashLeaf, parseProofFile, TlogError, verifyInclusion, verifyProofFile, type Checkpoint, type Policy } from '@writ/tlog';

export interface BundleReport {
  /** What is wrong, in words; empty when everything is proven. */
  findings: string[];
  /** The largest checkpoint that an entry is proven under. */
  checkpoint: Checkpoint | undefined;
  /** The token's life as the proven leaves tell it. */
  life: { index: number; at: string; type: string }[];
}

interface Leaf { seq: string; log: string; type: string; rec: string; prev?: string; token?: string; _sd?: string[]; data?: { root?: string; records?: string; size?: string; tokens?: string } }

/**
 * Checks a proof bundle from its own bytes and keys from elsewhere, offline: every leaf is in the log, every shown field
 * is the one that was hashed, every use is in its batch, no entry of the token is left out in between, nor its newest as of
 * the last sealed heads. What a bundle cannot show is that nothing happened after those.
 */
export function checkBundle(bundle: ProofBundle, policy: Policy): BundleReport {
  const report: BundleReport = { findings: [], checkpoint: undefined, life: [] };
  const leaves = new Map<number, Leaf>();
  for (const entry of bundle.entries) {
    try {
      leaves.set(entry.index, checkEntry(entry, policy, report));
    } catch (error) {
      if (!(error instanceof TlogError || error instanceof SyntaxError || error instanceof Mismatch)) throw error;
      report.findings.push(`entry ${entry.index}: ${error.message}`);
    }
  }
  checkChain(bundle.tokenId, leaves, report);
  for (const use of bundle.uses) {
    const wrong = wrongWith(use, leaves.get(use.batch), bundle.tokenId);
    if (wrong) report.findings.push(`use ${use.place} of batch ${use.batch}: ${wrong}`);
  }
  const stale = bundle.newest && wrongWithNewest(bundle.newest, bundle.tokenId, leaves, policy);
  if (stale) report.findings.push(`the sealed end of the token’s history: ${stale}`);
  if (bundle.truncated) report.findings.push('the bundle is cut: the token has more entries or uses than one file carries');
  return report;
}

/** A part of the bundle that contradicts another. */
class Mismatch extends Error {}

function checkEntry({ index, leaf: text, proof, disclosures }: ProofBundle['entries'][number], policy: Policy, report: BundleReport): Leaf {
  const file = parseProofFile(proof);
  if (file.index !== index) throw new Mismatch(`its proof is of entry ${file.index}`);
  const { checkpoint } = verifyProofFile(file, hashLeaf(Buffer.from(text)), policy);
  const leaf = JSON.parse(text) as Leaf;
  if (leaf.seq !== String(index) || leaf.log !== checkpoint.origin) throw new Mismatch('the leaf names another place or log');
  for (const disclosure of disclosures) {
    if (!leaf._sd?.includes(hash('sha256', disclosure, 'base64url'))) throw new Mismatch('a shown field is not the one that was recorded');
  }
  if (!report.checkpoint || checkpoint.size > report.checkpoint.size) report.checkpoint = checkpoint;
  report.life.push({ index, at: leaf.rec, type: leaf.type });
  return leaf;
}

/** Each leaf of a token names the one before it, so an omission in the middle shows. */
function checkChain(tokenId: string, leaves: ReadonlyMap<number, Leaf>, report: BundleReport): void {
  const own = [...leaves].filter(([, { token }]) => token === tokenId).sort(([a], [b]) => a - b);
  if (own.length === 0) report.findings.push(`no entry is about ${tokenId}`);
  let before: number | undefined;
  for (const [index, { prev }] of own) {
    if (prev !== (before === undefined ? undefined : String(before))) report.findings.push(`entry ${index}: entry ${prev ?? 'none'} of the token comes before it, and the bundle shows ${before ?? 'none'}`);
    before = index;
  }
}

/** The heads of all tokens were sealed into one leaf: what they say was this token's newest entry must be here. */
function wrongWithNewest({ index, k, place, proof, heads }: ProvenHead, tokenId: string, leaves: ReadonlyMap<number, Leaf>, policy: Policy): string | undefined {
  try {
    verifyProofFile(parseProofFile(heads.proof), hashLeaf(Buffer.from(heads.leaf)), policy);
    const { data } = JSON.parse(heads.leaf) as Leaf;
    const isSealed = verifyInclusion(place, Number(data?.tokens), hashLeaf(Buffer.from(`${tokenId} ${index} ${k}`)), proof.map(decodeHash), decodeHash(data?.root ?? ''));
    if (!isSealed) return 'it is not what was sealed';
    const last = Math.max(...[...leaves].filter(([at, { token }]) => token === tokenId && at < Number(data?.size)).map(([at]) => at));
    return last === index ? undefined : `entry ${index} was the token’s newest then, and the bundle does not show it`;
  } catch (error) {
    if (error instanceof TlogError || error instanceof SyntaxError) return error.message;
    throw error;
  }
}

function wrongWith({ place, disclosure, proof }: ProvenUse, batch: Leaf | undefined, tokenId: string): string | undefined {
  if (!batch?.data?.root || !batch.data.records) return 'its batch is not among the proven entries';
  try {
    if (!verifyInclusion(place, Number(batch.data.records), hashLeaf(Buffer.from(disclosure)), proof.map(decodeHash), decodeHash(batch.data.root))) return 'it is not in the batch';
    const [, , use] = JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as [string, string, { tokenId?: string }];
    return use.tokenId === tokenId ? undefined : 'it is of another token';
  } catch (error) {
    if (error instanceof TlogError || error instanceof SyntaxError) return error.message;
    throw error;
  }
}
