import type { StateEntry } from '@writ/token';
import type { KnownToken } from './state-by-log.js';

/** A token as it was read, as of a place in the state log. */
export interface Remembered {
  readonly token: KnownToken;
  readonly asOf: number;
  wasUsed: boolean;
}

/**
 * What this replica has read of tokens, by inner digest; bounded. The state log's entries are applied in order: one
 * that concerns a token makes it forgotten, so that the next call reads; an epoch is a floor that costs the same for one
 * token and for a million. Says nothing of whether it may be believed just now: the lease does.
 */
export class Memory {
  private readonly byDigest = new Map<string, Remembered>();
  private readonly digestsOf = new Map<string, Set<string>>();
  private readonly ownerFloors = new Map<string, number>();
  private floor = 0;

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.byDigest.size;
  }

  find(digest: string): Remembered | undefined {
    const found = this.byDigest.get(digest);
    if (!found || found.asOf < this.floor || found.asOf < (this.ownerFloors.get(found.token.owner) ?? 0)) return undefined;
    found.wasUsed = true;
    return found;
  }

  put(digest: string, token: KnownToken, asOf: number): void {
    this.forget(digest);
    while (this.byDigest.size >= this.capacity) this.evict();
    this.byDigest.set(digest, { token, asOf, wasUsed: false });
    const digests = this.digestsOf.get(token.tokenId);
    if (digests) digests.add(digest);
    else this.digestsOf.set(token.tokenId, new Set([digest]));
  }

  apply({ kind, seq, tokenId, ownerId }: StateEntry): void {
    if (kind === 'epoch') {
      if (ownerId === undefined) this.floor = seq;
      else this.ownerFloors.set(ownerId, seq);
    } else if (tokenId !== undefined) {
      for (const digest of [...(this.digestsOf.get(tokenId) ?? [])]) this.forget(digest);
    }
  }

  clear(): void {
    this.byDigest.clear();
    this.digestsOf.clear();
    this.ownerFloors.clear();
    this.floor = 0;
  }

  /** Second chance: what was used since the last round stays. */
  private evict(): void {
    for (const [digest, entry] of this.byDigest) {
      if (!entry.wasUsed) return this.forget(digest);
      entry.wasUsed = false;
      this.byDigest.delete(digest);
      this.byDigest.set(digest, entry);
    }
  }

  private forget(digest: string): void {
    const entry = this.byDigest.get(digest);
    if (!entry) return;
    this.byDigest.delete(digest);
    const digests = this.digestsOf.get(entry.token.tokenId);
    digests?.delete(digest);
    if (digests?.size === 0) this.digestsOf.delete(entry.token.tokenId);
  }
}
