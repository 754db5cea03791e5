import {
  appendLeaves, decodeBundle, evaluatePolicy, hashLeaves, parseNote, proveInclusion, readEdge, rootOfEdge, sameHash, TlogError, tileWidth, verifyInclusion, widthIn,
  type Checkpoint, type Edge, type Policy, type TileSource,
} from '@writ/tlog';

/** The log is not a continuation of what was seen before, or not signed: never a matter of trying again. */
export class NotTheLog extends Error {}

/** The newest checkpoint lacks cosignatures. Witnesses sign a moment after the log, so they may still come. */
export class NotYet extends Error {}

export interface NewEntries {
  checkpoint: Checkpoint;
  /** The size that was known before; the entries are those from there on, in order. */
  from: number;
  entries: { index: number; leaf: Uint8Array }[];
  /** When the newest entry was recorded; undefined in an empty log. */
  recordedMs: number | undefined;
  /** When witnesses of the policy signed this checkpoint. */
  cosignedMs: number[];
}

/**
 * Follows a log entry by entry without trusting it: grows the tree that it has verified by the new entries and compares
 * the root with the signed one. That proves at once that the log only grew and that the entries are the logged ones.
 */
export class LogFollower {
  private edge: Edge | undefined;
  private seen: Checkpoint | undefined;
  private newest: Uint8Array | undefined;

  /** @param remembered checkpoints verified before; without one of this log, the first head that is seen is where it begins */
  constructor(private readonly source: TileSource, private readonly policy: Policy, private readonly remembered: readonly Checkpoint[]) {}

  /** What is new. @throws NotTheLog, NotYet */
  async next(): Promise<NewEntries> {
    const verdict = evaluatePolicy(this.policy, parseNote(await this.source.readCheckpoint()));
    if (!verdict.log) throw new NotTheLog('The checkpoint is not signed with your key.');
    if (!verdict.satisfied) throw new NotYet('Too few witnesses have signed the newest checkpoint.');
    const { checkpoint } = verdict;
    const known = this.seen ?? this.remembered.find(({ origin }) => origin === checkpoint.origin) ?? checkpoint;
    if (checkpoint.origin !== known.origin) throw new NotTheLog(`This is the log ${checkpoint.origin}, not ${known.origin}.`);
    if (checkpoint.size < known.size) throw new NotTheLog(`The log has ${checkpoint.size} entries; it had ${known.size} before.`);
    this.edge ??= await this.edgeAt(known, checkpoint.size);
    const entries = await this.read(known.size, checkpoint.size);
    const { edge, root } = appendLeaves(this.edge, hashLeaves(entries.map(({ leaf }) => leaf)));
    if (!sameHash(root, checkpoint.root)) throw new NotTheLog(`The ${checkpoint.size} entries do not begin with the ${known.size} seen before.`);
    this.edge = edge;
    this.seen = checkpoint;
    this.newest = entries.at(-1)?.leaf ?? this.newest ?? await this.newestOf(checkpoint);
    return { checkpoint, from: known.size, entries, recordedMs: recordedAt(this.newest), cosignedMs: verdict.cosigned.map(({ timeSeconds }) => timeSeconds * 1_000) };
  }

  /** The last entry, proven: whoever holds a log back must not be able to say that it is fresh. */
  private async newestOf({ size, root }: Checkpoint): Promise<Uint8Array | undefined> {
    if (size === 0) return undefined;
    const [entry] = await this.read(size - 1, size);
    const proof = await proveInclusion(this.source, size - 1, size);
    if (!verifyInclusion(size - 1, size, hashLeaves([entry!.leaf]), proof, root)) throw new NotTheLog(`Entry ${size - 1} is not the one that was signed.`);
    return entry!.leaf;
  }

  /** The right edge of a smaller tree lies within the tiles of the larger one; the root says whether it is the same. */
  private async edgeAt({ size, root }: Checkpoint, grownTo: number): Promise<Edge> {
    const edge = await readEdge(this.source, size, grownTo);
    if (!sameHash(rootOfEdge(edge), root)) throw new NotTheLog(`The first ${size} entries are not those seen before.`);
    return edge;
  }

  private async read(from: number, to: number): Promise<NewEntries['entries']> {
    const entries: NewEntries['entries'] = [];
    for (let bundle = Math.floor(from / tileWidth); bundle * tileWidth < to; bundle++) {
      const width = widthIn(to, 0, bundle);
      const leaves = decodeBundle(await this.source.readEntries(bundle, width), width);
      if (leaves.length < width) throw new TlogError('bundle-malformed', `bundle ${bundle} is too short`);
      for (const [i, leaf] of leaves.entries()) if (bundle * tileWidth + i >= from) entries.push({ index: bundle * tileWidth + i, leaf });
    }
    return entries;
  }
}

function recordedAt(leaf: Uint8Array | undefined): number | undefined {
  const recordedMs = leaf && Date.parse((JSON.parse(Buffer.from(leaf).toString()) as { rec: string }).rec);
  return Number.isNaN(recordedMs) ? undefined : recordedMs;
}
