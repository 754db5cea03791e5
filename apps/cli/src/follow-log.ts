import {
  appendLeaves, decodeBundle, evaluatePolicy, hashLeaves, parseNote, readEdge, rootOfEdge, sameHash, TlogError, tileWidth, widthIn,
  type Checkpoint, type Edge, type Policy, type TileSource,
} from '@writ/tlog';

/** The log is not a continuation of what was seen before, or not signed: never a matter of trying again. */
export class NotTheLog extends Error {}

export interface NewEntries {
  checkpoint: Checkpoint;
  /** In order, from the size that was known before. */
  entries: { index: number; leaf: Uint8Array }[];
}

/**
 * Follows a log entry by entry without trusting it: grows the tree that it has verified by the new entries and compares
 * the root with the signed one. That proves at once that the log only grew and that the entries are the logged ones.
 */
export class LogFollower {
  private edge: Edge | undefined;

  /** @param seen the checkpoint verified last; without one, the first head that is seen is where it begins */
  constructor(private readonly source: TileSource, private readonly policy: Policy, private seen?: Checkpoint) {}

  /** What is new. @throws NotTheLog */
  async next(): Promise<NewEntries> {
    const verdict = evaluatePolicy(this.policy, parseNote(await this.source.readCheckpoint()));
    if (!verdict.log) throw new NotTheLog('The checkpoint is not signed with your key.');
    if (!verdict.satisfied) throw new NotTheLog('Too few witnesses signed the checkpoint.');
    const { checkpoint } = verdict;
    const known = this.seen ?? checkpoint;
    if (checkpoint.origin !== known.origin) throw new NotTheLog(`This is the log ${checkpoint.origin}, not ${known.origin}.`);
    if (checkpoint.size < known.size) throw new NotTheLog(`The log has ${checkpoint.size} entries; it had ${known.size} before.`);
    this.edge ??= await this.edgeAt(known, checkpoint.size);
    const entries = await this.read(known.size, checkpoint.size);
    const { edge, root } = appendLeaves(this.edge, hashLeaves(entries.map(({ leaf }) => leaf)));
    if (!sameHash(root, checkpoint.root)) throw new NotTheLog(`The ${checkpoint.size} entries do not begin with the ${known.size} seen before.`);
    this.edge = edge;
    this.seen = checkpoint;
    return { checkpoint, entries };
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
