import { IssuerError, type IssuerClient } from './issuer-client.js';
import type { UsageBatch } from './fleet-messages.js';
import { now } from './now.js';
import type { UsageBook } from './usage-book.js';
import type { VerifierState } from './verifier-state.js';

const recordsPerUpload = 1000;
const uploadTimeoutMs = 2000;
/** Without uses an upload still moves the watermark, less often. */
const idleRounds = 5;

/**
 * Uploads the usage book at intervals, off every caller's path. A batch is repeated under its number until it is taken;
 * one that can never be is given up, and what it held is told as lost.
 */
export class UsageUploader {
  #timer: NodeJS.Timeout | undefined;
  #batch = 0;
  #idle = 0;
  /** Uses that the issuer will not hear of, not told yet. */
  #lost = 0;
  #unsent: Omit<UsageBatch, 'lost'>[] = [];
  #uploading: Promise<void> | undefined;

  constructor(
    private readonly client: IssuerClient,
    private readonly state: VerifierState,
    private readonly book: UsageBook,
    private readonly failed: (error: IssuerError) => void,
  ) {}

  start(intervalMs: number): void {
    this.#timer = setInterval(() => void this.upload(), intervalMs).unref();
  }

  /** Uploads what there is; one upload at a time. */
  upload(): Promise<void> {
    return this.#uploading ??= this.#upload().finally(() => { this.#uploading = undefined; });
  }

  async #upload(): Promise<void> {
    if (this.state.asOf === '') return;
    // While batches wait the book goes on counting, up to its limit: memory stays bounded with a deaf issuer.
    if (this.#unsent.length === 0) this.#fill();
    for (let batch = this.#unsent[0]; batch; batch = this.#unsent[0]) {
      const lost = batch.watermark === undefined ? 0 : this.#lost;
      try {
        await this.client.send('POST', '/v1/usage', { ...batch, lost } satisfies UsageBatch, uploadTimeoutMs);
        this.#lost -= lost;
      } catch (error) {
        if (!(error instanceof IssuerError)) throw error;
        this.failed(error);
        if (!isFinal(error)) return;
        this.#lost += batch.records.reduce((sum, { count }) => sum + count, 0);
      }
      this.#unsent.shift();
    }
  }

  #fill(): void {
    // Read before the book is emptied: uses from now on belong to the next watermark.
    const watermark = this.state.asOf;
    const { records, lost } = this.book.take((mono) => this.#timeOf(mono));
    this.#lost += lost;
    if (records.length === 0 && this.#lost === 0 && ++this.#idle < idleRounds) return;
    this.#idle = 0;
    for (let at = 0; at === 0 || at < records.length; at += recordsPerUpload) {
      const last = at + recordsPerUpload >= records.length;
      // Only the last batch closes the books: before it, uses older than the watermark are still to come.
      this.#unsent.push({
        verifierId: this.state.verifierId, batch: ++this.#batch, records: records.slice(at, at + recordsPerUpload),
        watermark: last ? watermark : undefined,
      });
    }
  }

  #timeOf(mono: number): string {
    const { mono: nowMono, wall } = now();
    return new Date(this.state.databaseNowMs(nowMono, wall) - (nowMono - mono)).toISOString();
  }

  /** Stops, after one last attempt to upload. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#uploading;
    await this.upload();
  }
}

/** The batch itself is refused, or its verifier is gone: sent again it would be refused again, and hold up all that follow. */
function isFinal({ status, problem }: IssuerError): boolean {
  return status === 400 || status === 413 || status === 422 || (status === 404 && problem !== undefined);
}
