import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { LogEntries, LogState, ProofBundle, ProvenEntry, ProvenHead, TokenId } from '@writ/contracts';
import { encodeBase64, formatProofFile, hashLeaves, hashSize, proveInclusion, proveInclusionIn, type VerifierKey } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Allow, later, notFound, Public } from '@writ/service';
import { AuditConfig } from '../config.js';
import { headLeaf } from '../heads/heads.js';
import { lastHeads, tokenHeads } from '../heads/heads.store.js';
import { committedHead, newestCheckpoint } from '../site/log.store.js';
import { Signer } from '../site/signer.client.js';
import { Site, type PublishedHead } from '../site/site.store.js';
import { Findings } from '../monitor/findings.store.js';
import { Cosigners } from '../witness/cosigners.client.js';
import { EntryStore } from './entries.store.js';
import { filterOf, indexOf, type EntryQuery } from './entry-query.js';

/** So many entries and uses one bundle carries. */
const bundleLimit = 2_000;
/** Heads of more tokens than this are not read for one bundle. */
const mostHeads = 200_000;

/** Search over the whole log, and proofs of what it finds. */
@Controller('v1')
export class EntriesController {
  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly entries: EntryStore,
    private readonly site: Site,
    private readonly signer: Signer,
    private readonly cosigners: Cosigners,
    private readonly findings: Findings,
  ) {}

  @Get('log')
  @Public()
  async log(): Promise<LogState> {
    const { logOrigin: origin } = this.config;
    const key = await this.key();
    return this.transactions.read(async (db) => {
      const { logId, size } = await committedHead(db, origin);
      const newest = await newestCheckpoint(db, logId);
      const verdict = newest && this.cosigners.verdict(newest.note, key);
      return {
        origin, vkey: key.toString(), size, signedSize: newest?.size ?? 0,
        ...(newest && { checkpoint: newest.note, publishedAt: newest.publishedAt.toISOString() }),
        cosignatures: verdict?.cosigned.map(({ name, timeSeconds }) => ({ name, at: new Date(timeSeconds * 1_000).toISOString() })) ?? [],
        splitViewProtected: this.cosigners.needsWitnesses && verdict?.satisfied === true,
        findings: this.findings.all(),
      };
    });
  }

  @Get('entries')
  @Allow('auditor')
  async search(@Query() query: EntryQuery): Promise<LogEntries> {
    const filter = filterOf(query);
    return this.read(async (db, logId, { size }) => {
      const found = await this.entries.search(db, logId, { ...filter, limit: filter.limit + 1 }, size);
      const items = found.slice(0, filter.limit);
      return { items, ...(found.length > items.length && { next: String(items.at(-1)!.index) }) };
    });
  }

  @Get('entries/:index/proof')
  @Allow('auditor')
  async proof(@Param('index') text: string, @Res() reply: FastifyReply): Promise<void> {
    const index = indexOf(text);
    if (index === undefined) throw notFound('entry');
    const proof = await this.read(async (_db, _logId, head, committed) => {
      if (index >= committed) throw notFound('entry');
      if (index >= head.size) throw later('This entry is recorded; the checkpoint that covers it is not signed yet.');
      return this.proofOf(index, head);
    });
    void reply.header('content-type', 'text/plain; charset=utf-8').send(proof);
  }

  @Get('tokens/:id/proof-bundle')
  @Allow('auditor')
  async bundle(@Param('id') tokenId: TokenId): Promise<ProofBundle> {
    const vkey = (await this.key()).toString();
    return this.read(async (db, logId, head) => {
      const found = await this.entries.ofToken(db, logId, tokenId, head.size, bundleLimit + 1);
      if (!found.some((entry) => entry.tokenId === tokenId)) throw notFound('token');
      const kept = found.slice(0, bundleLimit);
      const entries: ProvenEntry[] = [];
      for (const { index, leaf, disclosures } of kept) entries.push({ index, leaf, proof: await this.proofOf(index, head), disclosures });
      const batches = await this.entries.usesOf(db, logId, tokenId, kept.filter(({ type }) => type === 'usage.recorded').map(({ index }) => index));
      const uses = batches.flatMap(({ seq, hashes, uses: own }) => own.map(([place, disclosure]) => ({
        batch: seq, place, disclosure, proof: proveInclusionIn(split(hashes), place).map(encodeBase64),
      })));
      const newest = await this.newestOf(db, logId, tokenId, head);
      const requestId = kept.find((entry) => entry.tokenId === tokenId && entry.requestId)?.requestId;
      return {
        format: 'writ-proof-bundle/1', origin: this.config.logOrigin, vkey, tokenId, ...(requestId && { requestId }),
        entries, ...(newest && { newest }), uses: uses.slice(0, bundleLimit), truncated: found.length > bundleLimit || uses.length > bundleLimit,
      };
    });
  }

  /** Shows by the last sealed heads which entry was the token's newest then; nothing where sealing it again would be a long read. */
  private async newestOf(db: Db, logId: number, token: string, head: PublishedHead): Promise<ProvenHead | undefined> {
    const sealed = await lastHeads(db, logId);
    if (!sealed || sealed.seq >= head.size || sealed.tokens > mostHeads) return undefined;
    const heads = await tokenHeads(db, logId, sealed.size);
    const place = heads.findIndex((each) => each.token === token);
    const found = heads[place];
    if (!found) return undefined;
    const { index, k } = found;
    const proof = proveInclusionIn(split(hashLeaves(heads.map(headLeaf))), place).map(encodeBase64);
    return { index, k, place, proof, heads: { index: sealed.seq, leaf: sealed.leaf.toString(), proof: await this.proofOf(sealed.seq, head), disclosures: [] } };
  }

  /** Known from the first answer of the signer on. */
  private async key(): Promise<VerifierKey> {
    try {
      return await this.signer.key();
    } catch {
      throw later('The signer does not answer, and its key is not known yet.');
    }
  }

  private async proofOf(index: number, { size, note }: PublishedHead): Promise<string> {
    return formatProofFile({ index, proof: await proveInclusion(this.site.tiles, index, size), checkpoint: note });
  }

  private async read<Answer>(work: (db: Db, logId: number, head: PublishedHead, committed: number) => Promise<Answer>): Promise<Answer> {
    const published = await this.site.head();
    return this.transactions.read(async (db) => {
      const { logId, size } = await committedHead(db, this.config.logOrigin);
      return work(db, logId, published, size);
    });
  }
}

function split(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / hashSize }, (_, i) => hashes.subarray(i * hashSize, (i + 1) * hashSize));
}
