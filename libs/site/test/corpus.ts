import { hash } from 'node:crypto';
import type { ProofBundle, ProvenEntry, RequestId, TokenId } from '@writ/contracts';
import { encodeBase64, formatProofFile, hashLeaf, hashLeaves, foldHashes, proveInclusion, proveInclusionIn } from '@writ/tlog';
import { logKey, MemoryLog } from '../../tlog/test/memory-log.js';

/** Logs and proof bundles, good and bad, with the verdict that everybody who judges them must reach. */
export interface BundleCase {
  name: string;
  bundle: ProofBundle;
  /** What is said of a bad one. */
  says?: RegExp;
}

export interface LogCase {
  name: string;
  log: MemoryLog;
  verdict: 'intact' | 'incomplete' | 'not intact';
  says?: RegExp;
}

const origin = logKey.verifier.name;
const tokenId = 'tok_00000000000000000000000001' as TokenId;
const requestId = 'req_00000000000000000000000001' as RequestId;
export const startMs = Date.parse('2026-01-01T00:00:00Z');

interface Event {
  type: string;
  /** Seconds after the start at which it is recorded. */
  at: number;
  token?: boolean;
  request?: boolean;
  src?: string;
  n?: number;
  k?: number;
  data?: Record<string, unknown>;
  hidden?: Record<string, unknown>;
}

const digest = (text: string) => `sha256:${hash('sha256', text, 'hex')}`;
const disclosure = (name: string, value: unknown) => Buffer.from(JSON.stringify([`salt of ${name}`, name, value])).toString('base64url');
const use = (code: string, at: number) => disclosure('use', { tokenId, generation: 1, code, gateway: 'edge', count: 1, firstAt: time(at), lastAt: time(at) });
const time = (at: number) => new Date(startMs + at * 1_000).toISOString();

/** Uses before the end, one refused after it, and, where somebody lets it through, one accepted after it. */
const goodUses = [use('VALID', 7), use('REVOKED', 500)];
const badUses = [use('VALID', 7), use('VALID', 500)];
const batch = (uses: readonly string[]) => ({ records: String(uses.length), root: encodeBase64(foldHashes(hashLeaves(uses.map((each) => Buffer.from(each))))), uses: String(uses.length) });

/** A request, two votes, an approval, a token, its uses and its end, between signs of life. */
const life = (uses: readonly string[] = goodUses): Event[] => [
  { type: 'service.alive', at: 0, src: 'issuer/0', n: 1 },
  { type: 'request.submitted', at: 1, request: true, src: 'request/0', n: 1, hidden: { reason: 'nightly export' } },
  { type: 'review.recorded', at: 2, request: true, src: 'policy/0', n: 1, hidden: { statement: 'the vote of rita' } },
  { type: 'review.recorded', at: 3, request: true, src: 'policy/0', n: 2, hidden: { statement: 'the vote of rob' } },
  { type: 'request.approved', at: 4, request: true, src: 'policy/0', n: 3, data: { require: [{ group: 'security', approvers: '2' }], votes: ['the vote of rita', 'the vote of rob'].map(digest) } },
  { type: 'token.issued', at: 5, token: true, request: true, src: 'issuer/0', n: 2, k: 1 },
  { type: 'token.delivered', at: 6, token: true, request: true, src: 'issuer/0', n: 3, k: 2 },
  { type: 'usage.recorded', at: 8, src: 'issuer/0', n: 4, data: batch(uses) },
  { type: 'token.revoked', at: 9, token: true, request: true, src: 'issuer/0', n: 5, k: 3 },
  { type: 'log.heads', at: 10, src: 'audit' },
  { type: 'service.alive', at: 500, src: 'issuer/0', n: 6 },
];

/** Gives events their places, as the log does; what is not among them was never recorded. */
function leavesOf(events: readonly Event[]): { leaf: string; disclosures: string[]; event: Event }[] {
  let prev: number | undefined;
  let highest = 0;
  return events.map((event, seq) => {
    const { type, at, token, request, src, n, k, hidden = {} } = event;
    const disclosures = Object.entries(hidden).map(([name, value]) => disclosure(name, value));
    highest = Math.max(highest, k ?? 0);
    const data = type === 'log.heads' ? { root: encodeBase64(hashLeaf(Buffer.from(`${tokenId} ${prev} ${highest}`))), size: String(seq), tokens: '1' } : (event.data ?? {});
    const leaf = JSON.stringify({
      ...(disclosures.length > 0 && { _sd: disclosures.map((text) => hash('sha256', text, 'base64url')).sort() }), data, id: `evt_${seq}`, ...(k !== undefined && { k: String(k) }), log: origin,
      ...(n !== undefined && { n: String(n) }), ...(token && prev !== undefined && { prev: String(prev) }), rec: time(at), ...(request && { request: requestId }), seq: String(seq), src,
      ...(token && { token: tokenId }), ts: time(at), type, v: 1,
    });
    if (token) prev = seq;
    return { leaf, disclosures, event };
  });
}

const logOf = (events: readonly Event[], change: (leaf: string) => string = String) => new MemoryLog().grow(leavesOf(events).map(({ leaf }) => Buffer.from(change(leaf))));
const without = (type: string) => life().filter((event) => event.type !== type);

/** What a service answers of a log that was made of these events. */
async function bundleOf(events: readonly Event[], uses = goodUses): Promise<ProofBundle> {
  const leaves = leavesOf(events);
  const log = logOf(events);
  const checkpoint = log.files.get('checkpoint')!.toString();
  const provenAt = async (index: number): Promise<ProvenEntry> => ({
    index, leaf: leaves[index]!.leaf, disclosures: leaves[index]!.disclosures,
    proof: formatProofFile({ index, proof: await proveInclusion(log.source, index, leaves.length), checkpoint }),
  });
  const told = leaves.flatMap(({ event }, index) => (event.token || event.request || event.type === 'usage.recorded' ? [index] : []));
  const entries = await Promise.all(told.map(provenAt));
  const used = entries.find(({ leaf }) => leaf.includes('"usage.recorded"'));
  const hashes = uses.map((each) => hashLeaf(Buffer.from(each)));
  const sealedAt = leaves.findIndex(({ event }) => event.type === 'log.heads');
  const own = leaves.flatMap(({ event }, index) => (event.token && index < sealedAt ? [{ index, k: event.k ?? 0 }] : []));
  return {
    format: 'writ-proof-bundle/1', origin, vkey: logKey.verifier.toString(), tokenId, requestId, entries, truncated: false,
    uses: used ? uses.map((text, place) => ({ batch: used.index, place, disclosure: text, proof: proveInclusionIn(hashes, place).map(encodeBase64) })) : [],
    ...(own.length > 0 && { newest: { index: own.at(-1)!.index, k: Math.max(...own.map(({ k }) => k)), place: 0, proof: [], heads: await provenAt(sealedAt) } }),
  };
}

export async function bundleCases(): Promise<BundleCase[]> {
  const good = await bundleOf(life());
  const cut = (type: string): ProofBundle => ({ ...good, entries: good.entries.filter(({ leaf }) => !leaf.includes(`"type":"${type}"`)) });
  const changed = (change: (copy: ProofBundle) => void) => {
    const copy = structuredClone(good);
    change(copy);
    return copy;
  };
  const numbered = life().map((event) => (event.type === 'token.revoked' ? { ...event, k: 4 } : event));
  return [
    { name: 'whole', bundle: good },
    { name: 'without-heads', bundle: { ...good, newest: undefined } },
    { name: 'with-an-erased-vote', bundle: changed(({ entries }) => { entries[1]!.disclosures = []; }) },
    { name: 'request-left-out', bundle: cut('request.submitted'), says: /entry of the request .* LEFT OUT/ },
    { name: 'approval-left-out', bundle: cut('request.approved'), says: /no entry shows that the request .* was approved/ },
    { name: 'vote-left-out', bundle: changed(({ entries }) => { entries.splice(2, 1); }), says: /1 of the votes .* LEFT OUT/ },
    { name: 'votes-left-out', bundle: cut('review.recorded'), says: /2 of the votes .* LEFT OUT/ },
    { name: 'issue-left-out', bundle: cut('token.issued'), says: /no entry says that the token was issued/ },
    { name: 'middle-left-out', bundle: cut('token.delivered'), says: /change 2 of the token was LEFT OUT/ },
    { name: 'end-left-out', bundle: cut('token.revoked'), says: /was the token’s newest then, and the bundle does not show it/ },
    { name: 'batch-left-out', bundle: cut('usage.recorded'), says: /its batch is not among the proven entries/ },
    { name: 'of-another-request', bundle: { ...good, requestId: 'req_00000000000000000000000002' as RequestId }, says: /the bundle names req_00000000000000000000000002/ },
    { name: 'of-another-token', bundle: { ...good, tokenId: 'tok_00000000000000000000000002' as TokenId }, says: /no proven entry is about/ },
    { name: 'sealed-by-another-leaf', bundle: changed(({ newest, entries }) => { newest!.heads = entries[4]!; }), says: /sealed end of the token’s history/ },
    { name: 'edited', bundle: changed(({ entries }) => { entries[4]!.leaf = entries[4]!.leaf.replace('token.issued', 'token.isssed'); }), says: /[Ee]ntry 5/ },
    { name: 'field-edited', bundle: changed(({ entries }) => { entries[0]!.disclosures = [disclosure('reason', 'another')]; }), says: /not the (one that was )?recorded/ },
    { name: 'use-invented', bundle: changed(({ uses }) => { uses[0]!.disclosure = use('VALID', 6); }), says: /not in the batch/ },
    { name: 'malformed', bundle: changed(({ entries }) => { Object.assign(entries[0]!, { disclosures: null }); }), says: /malformed/ },
    { name: 'never-approved', bundle: await bundleOf(without('request.approved')), says: /no entry shows that the request .* was approved/ },
    { name: 'approved-by-too-few', bundle: await bundleOf(life().map((event) => (event.type === 'request.approved' ? { ...event, data: { ...event.data, votes: [digest('the vote of rita')] } } : event))), says: /1 of the 2 votes/ },
    { name: 'change-never-recorded', bundle: await bundleOf(numbered), says: /change 3 of the token was LEFT OUT/ },
    { name: 'used-after-its-end', bundle: await bundleOf(life(badUses), badUses), says: /was accepted at .* after its end/ },
  ];
}

export function logCases(): LogCase[] {
  const torn = logOf(life());
  torn.files.set('tile/entries/000.p/11', Buffer.from(torn.files.get('tile/entries/000.p/11')!.toString('latin1').replace('nightly', 'monthly').replace('"evt_5"', '"evt_6"'), 'latin1'));
  const twice = life().map((event) => (event.at === 500 ? { ...event, n: 5 } : event));
  const late = without('usage.recorded').map((event) => (event.at === 500 ? { ...event, at: 20 } : event));
  return [
    { name: 'whole', log: logOf(life()), verdict: 'intact' },
    { name: 'one-number-is-only-late', log: logOf(late), verdict: 'intact' },
    { name: 'torn', log: torn, verdict: 'not intact', says: /signed root/ },
    { name: 'sign-of-life-left-out', log: logOf(life().slice(1)), verdict: 'incomplete', says: /number 1 of issuer\/0 was never recorded/ },
    { name: 'use-left-out', log: logOf(without('usage.recorded')), verdict: 'incomplete', says: /number 4 of issuer\/0 was never recorded/ },
    { name: 'number-twice', log: logOf(twice), verdict: 'incomplete', says: /number 5 of issuer\/0 was recorded twice/ },
    { name: 'delivery-left-out', log: logOf(without('token.delivered')), verdict: 'incomplete', says: /change 2 of tok_\S+ was never recorded/ },
    { name: 'approval-left-out', log: logOf(without('request.approved')), verdict: 'incomplete', says: /no request\.approved of req_/ },
    { name: 'link-broken', log: logOf(life(), (leaf) => leaf.replace('"prev":"6"', '"prev":"5"')), verdict: 'incomplete', says: /[Ee]ntry 8 follows 5 of tok_\S+, but the one before it is 6/ },
    { name: 'place-wrong', log: logOf(life(), (leaf) => leaf.replace('"seq":"3"', '"seq":"4"')), verdict: 'incomplete', says: /[Ee]ntry 3 names another place or log/ },
    { name: 'no-leaf', log: logOf(life(), (leaf) => (leaf.includes('"seq":"10"') ? 'x' : leaf)), verdict: 'incomplete', says: /[Ee]ntry 10 is not a JSON object/ },
  ];
}
