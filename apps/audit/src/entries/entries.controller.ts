import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { LogEntries, LogEntry, LogState, ProofBundle, ProvenEntry, ProvenHead, ProvenUse, TokenId } from '@writ/contracts';
import { emptyRoot, encodeBase64, formatProofFile, hashSize, inclusionProver, proveInclusion, tileWidth, type VerifierKey } from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Allow, invalid, later, notFound, Public } from '@writ/service';
import { AuditConfig } from '../config.js';
import { proveHead } from '../heads/heads.js';
import { lastHeads, pageOf, pageRoots } from '../heads/heads.store.js';
import { committedHead, newestCheckpoint, type PublishedHead } from '../site/log.store.js';
import { Signer } from '../site/signer.client.js';
import { Site } from '../site/site.store.js';
import { Findings } from '../monitor/findings.store.js';
import { CosignJob } from '../witness/cosign.job.js';
import { Cosigners } from '../witness/cosigners.client.js';
import { EntryStore } from './entries.store.js';
import { filterOf, indexOf, type EntryQuery } from './entry-query.js';

/** So many entries of a token's life one bundle carries, and no more batches of uses once there are so many uses. */
const bundleLimit = 2_000;
/** A batch may have to be hashed for a single use in it. */
const batchLimit = 100;

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
    private readonly cosigning: CosignJob,
    private readonly findings: Findings,
  ) {}

  @Get('log')
  @Public()
  async log(): Promise<LogState> {
    const { logOrigin: origin } = this.config;
    const key = await this.key();
    const shown = await this.cosigning.shown();
    const verdict = shown && this.cosigners.verdict(shown.note, key);
    return this.transactions.read(async (db) => {
      const { logId, size } = await committedHead(db, origin);
      const newest = await newestCheckpoint(db, logId);
      return {
        origin, vkey: key.toString(), size, signedSize: newest?.size ?? 0,
        ...(shown && { checkpoint: shown.note }), ...(newest && { publishedAt: newest.publishedAt.toISOString() }),
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
  async bundle(@Param('id') tokenId: TokenId, @Query('uses') from?: string): Promise<ProofBundle> {
    const firstUse = from === undefined ? 0 : indexOf(from);
    if (firstUse === undefined) throw invalid([{ pointer: '/uses', message: 'uses is the nextUses of an earlier answer' }]);
    const vkey = (await this.key()).toString();
    return this.read(async (db, logId, head) => {
      const life = await this.entries.ofToken(db, logId, tokenId, head.size, bundleLimit + 1);
      if (!life.some((entry) => entry.tokenId === tokenId)) throw notFound('token');
      const { batches, uses, nextUses } = await this.usesFrom(db, logId, tokenId, firstUse, head.size);
      const entries: ProvenEntry[] = [];
      for (const { index, leaf, disclosures } of [...life.slice(0, bundleLimit), ...batches].sort((a, b) => a.index - b.index)) {
        entries.push({ index, leaf, proof: await this.proofOf(index, head), disclosures });
      }
      const newest = await this.newestOf(db, logId, tokenId, head);
      const requestId = life.find((entry) => entry.tokenId === tokenId && entry.requestId)?.requestId;
      return {
        format: 'writ-proof-bundle/1', origin: this.config.logOrigin, vkey, tokenId, ...(requestId && { requestId }),
        entries, ...(newest && { newest }), uses, ...(nextUses !== undefined && { nextUses }), truncated: life.length > bundleLimit || nextUses !== undefined,
      };
    });
  }

  /** One batch at a time, each hashed once: a batch may hold thousands of uses, and the token's only one of them. */
  private async usesFrom(db: Db, logId: number, token: string, first: number, end: number): Promise<{ batches: LogEntry[]; uses: ProvenUse[]; nextUses?: number }> {
    const batches: LogEntry[] = [];
    const uses: ProvenUse[] = [];
    for (let next = await this.entries.usesOf(db, logId, token, first, end); next; next = await this.entries.usesOf(db, logId, token, next.entry.index + 1, end)) {
      const { index } = next.entry;
      if (batches.length === batchLimit || uses.length >= bundleLimit) return { batches, uses, nextUses: index };
      const prove = inclusionProver(split(next.hashes));
      batches.push(next.entry);
      uses.push(...next.uses.map(([place, disclosure]) => ({ batch: index, place, disclosure, proof: prove(place).map(encodeBase64) })));
    }
    return { batches, uses };
  }

  /** Shows by the last sealed heads which entry was the token's newest then. */
  private async newestOf(db: Db, logId: number, token: string, head: PublishedHead): Promise<ProvenHead | undefined> {
    const sealed = await lastHeads(db, logId, head.size);
    const found = sealed && await pageOf(db, logId, sealed.size, token);
    if (!found) return undefined;
    const { index, k } = found.head;
    const proof = proveHead(found.lines, found.place, found.page, await pageRoots(db, logId, sealed.size)).map(encodeBase64);
    return {
      index, k, place: found.page * tileWidth + found.place, proof,
      heads: { index: sealed.seq, leaf: sealed.leaf.toString(), proof: await this.proofOf(sealed.seq, head), disclosures: [] },
    };
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
    const published = (await this.cosigning.shown()) ?? { size: 0, root: emptyRoot, note: '' };
    return this.transactions.read(async (db) => {
      const { logId, size } = await committedHead(db, this.config.logOrigin);
      return work(db, logId, published, size);
    });
  }
}

function split(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / hashSize }, (_, i) => hashes.subarray(i * hashSize, (i + 1) * hashSize));
}
