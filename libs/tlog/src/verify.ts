import { decodeBundle } from './bundle.js';
import type { Checkpoint } from './checkpoint.js';
import { TlogError } from './errors.js';
import { hashLeaves, hashSize, sameHash } from './hash.js';
import { parseNote } from './note.js';
import { evaluatePolicy, type Policy, type PolicyVerdict } from './policy.js';
import type { TileSource } from './sources.js';
import { edgeTiles, entriesPath, hashesAtLevel, tilePath, tileWidth, type Tile } from './tile.js';
import { TreeBuilder } from './tree.js';

export type FindingCode =
  /** No log key of the policy signed, or a known signature is wrong. */
  | 'checkpoint-unsigned'
  | 'quorum-not-met'
  /** A file of the log is missing or malformed; what lies behind it was not checked. */
  | 'file-unreadable'
  /** A tile does not hold the hashes of the entries, from entry `index` on. */
  | 'tile-differs'
  /** The entries do not hash to the signed root. */
  | 'root-differs'
  /** The log is shorter than it once was. */
  | 'rolled-back'
  /** A checkpoint seen earlier is not a beginning of this log. */
  | 'history-rewritten';

export interface Finding {
  code: FindingCode;
  detail: string;
  /** First entry concerned, where one is. */
  index?: number;
}

export interface VerifyOptions {
  policy: Policy;
  /** Checkpoints of this log kept from earlier; each must be a beginning of it. */
  remembered?: readonly Checkpoint[];
  /** Hears the checkpoint before the first entry. */
  onStart?: (checkpoint: Checkpoint) => void;
  /** Receives the entries in order, each bundle once, as views that are only valid during the call. */
  onEntries?: (entries: readonly Uint8Array[], firstIndex: number) => void | Promise<void>;
  onProgress?: (checked: number, total: number) => void;
  /** Bundles fetched in advance, default 8. */
  readAhead?: number;
}

export interface VerifyReport {
  /** Undefined when the checkpoint could not be read at all. */
  verdict: PolicyVerdict | undefined;
  /** Entries hashed. */
  checked: number;
  /** Empty when all is well; at most 100. */
  findings: Finding[];
}

const maxFindings = 100;

/**
 * Verifies a whole log from its files alone: signatures and quorum, every entry against every tile, the root, and
 * every checkpoint remembered. Streams in constant memory. What is wrong is reported, not thrown; only a source
 * that cannot be reached throws (`source-unreachable`), because that says nothing about the log.
 */
export async function verifyLog(source: TileSource, options: VerifyOptions): Promise<VerifyReport> {
  const report: VerifyReport = { verdict: undefined, checked: 0, findings: [] };
  const verdict = await openVerdict(source, options.policy, report);
  if (!verdict) return report;
  report.verdict = verdict;
  options.onStart?.(verdict.checkpoint);
  await new Verification(source, verdict.checkpoint, options, report).run();
  return report;
}

async function openVerdict(source: TileSource, policy: Policy, report: VerifyReport): Promise<PolicyVerdict | undefined> {
  try {
    const verdict = evaluatePolicy(policy, parseNote(await source.readCheckpoint()));
    if (!verdict.log) {
      addFinding(report, { code: 'checkpoint-unsigned', detail: 'no log of the policy signed the checkpoint' });
    } else if (!verdict.satisfied) {
      addFinding(report, { code: 'quorum-not-met', detail: 'too few witnesses of the policy cosigned' });
    }
    return verdict;
  } catch (error) {
    const { code, message } = expected(error);
    addFinding(report, { code: code === 'signature-invalid' ? 'checkpoint-unsigned' : 'file-unreadable', detail: message });
    return undefined;
  }
}

class Verification {
  readonly #builder = new TreeBuilder();
  readonly #remembered: Checkpoint[];

  constructor(
    private readonly source: TileSource,
    private readonly head: Checkpoint,
    private readonly options: VerifyOptions,
    private readonly report: VerifyReport,
  ) {
    const own = (options.remembered ?? []).filter(({ origin }) => origin === head.origin);
    this.#remembered = own.sort((a, b) => a.size - b.size);
    for (const { size } of own.filter((seen) => seen.size > head.size)) {
      this.#found({ code: 'rolled-back', detail: `once had ${size} entries, now ${head.size}` });
    }
  }

  async run(): Promise<void> {
    try {
      for await (const { entries, first } of this.#bundles()) {
        await this.#check(entries, first);
        await this.options.onEntries?.(entries, first);
        this.report.checked = first + entries.length;
        this.options.onProgress?.(this.report.checked, this.head.size);
      }
      await this.#checkEdge();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#found({ code: 'file-unreadable', detail: error.message, index: this.report.checked });
    }
  }

  async #check(entries: readonly Uint8Array[], first: number): Promise<void> {
    const hashes = hashLeaves(entries);
    const completed: Tile[] = [];
    let done = 0;
    // Stop at each remembered size on the way: there the root must be the one seen then.
    for (const seen of this.#dueUpTo(first + entries.length)) {
      completed.push(...this.#builder.append(hashes.subarray(done * hashSize, (seen.size - first) * hashSize)));
      done = seen.size - first;
      if (!sameHash(this.#builder.root(), seen.root)) {
        this.#found({ code: 'history-rewritten', detail: `another root at size ${seen.size} than once seen` });
      }
    }
    completed.push(...this.#builder.append(hashes.subarray(done * hashSize)));
    for (const tile of completed) await this.#compare(tile);
  }

  #dueUpTo(size: number): Checkpoint[] {
    const later = this.#remembered.findIndex((seen) => seen.size > size);
    return this.#remembered.splice(0, later < 0 ? this.#remembered.length : later);
  }

  async #checkEdge(): Promise<void> {
    const { levels } = this.#builder.edge();
    for (const at of edgeTiles(this.head.size)) await this.#compare({ ...at, hashes: Buffer.from(levels[at.level]!) });
    await this.#check([], this.head.size);
    if (!sameHash(this.#builder.root(), this.head.root)) {
      this.#found({ code: 'root-differs', detail: `${this.head.size} entries do not hash to the signed root` });
    }
  }

  async #compare(tile: Tile): Promise<void> {
    const stored = await this.source.readTile(tile.level, tile.index, tile.width).catch(unreadable);
    if (Buffer.compare(tile.hashes, stored) === 0) return;
    let at = 0;
    while (at < stored.length && tile.hashes[at] === stored[at]) at++;
    const hash = tile.index * tileWidth + Math.floor(at / hashSize);
    this.#found({ code: 'tile-differs', detail: tilePath(tile), index: hash * 2 ** (8 * tile.level) });
  }

  async *#bundles(): AsyncGenerator<{ entries: Uint8Array[]; first: number }> {
    const count = Math.ceil(this.head.size / tileWidth);
    const full = hashesAtLevel(this.head.size, 1);
    const widthOf = (index: number) => (index < full ? tileWidth : this.head.size % tileWidth);
    const pending: Promise<Uint8Array>[] = [];
    let asked = 0;
    for (let index = 0; index < count; index++) {
      for (; asked < count && pending.length < (this.options.readAhead ?? 8); asked++) {
        const read = this.source.readEntries(asked, widthOf(asked));
        // A failed read is reported when its turn comes; until then it must not count as unhandled.
        read.catch(() => undefined);
        pending.push(read);
      }
      const bundle = await pending.shift()!.catch(unreadable);
      yield { entries: decode(bundle, index, widthOf(index)), first: index * tileWidth };
    }
  }

  #found(finding: Finding): void {
    addFinding(this.report, finding);
  }
}

function decode(bundle: Uint8Array, index: number, width: number): Uint8Array[] {
  try {
    return decodeBundle(bundle, width);
  } catch (cause) {
    throw new Unreadable(`${entriesPath(index, width)}: ${expected(cause).message}`, { cause });
  }
}

/** Ends a verification early: the file a log owes at this place is missing or malformed. */
class Unreadable extends Error {}

function unreadable(cause: unknown): never {
  throw new Unreadable(expected(cause).message, { cause });
}

function addFinding(report: VerifyReport, finding: Finding): void {
  if (report.findings.length < maxFindings) report.findings.push(finding);
}

/** Passes what a bad log causes; throws on what it does not: a caller's bug, an unreachable source. */
function expected(error: unknown): TlogError {
  if (error instanceof TlogError && error.code !== 'source-unreachable') return error;
  throw error;
}
