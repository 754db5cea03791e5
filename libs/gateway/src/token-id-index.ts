/** Finds the slots of a token id (one per live secret) through chains in flat arrays; the ids stay with the cache. */
export class TokenIdIndex {
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #mask: number;

  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(capacity + 1));
    this.#mask = size - 1;
    this.#heads = new Int32Array(size);
    this.#next = new Int32Array(capacity);
  }

  add(slot: number, tokenId: string): void {
    const bucket = this.#bucket(tokenId);
    this.#next[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  remove(slot: number, tokenId: string): void {
    const bucket = this.#bucket(tokenId);
    if (this.#heads[bucket] === slot + 1) {
      this.#heads[bucket] = this.#next[slot]!;
      return;
    }
    let before = this.#heads[bucket]! - 1;
    while (this.#next[before] !== slot + 1) before = this.#next[before]! - 1;
    this.#next[before] = this.#next[slot]!;
  }

  /** Every slot whose id equals `tokenId`; a list of its own, so that the caller may remove while walking. */
  slots(tokenId: string, ids: readonly string[]): number[] {
    const found: number[] = [];
    for (let link = this.#heads[this.#bucket(tokenId)]!; link !== 0; link = this.#next[link - 1]!) {
      if (ids[link - 1] === tokenId) found.push(link - 1);
    }
    return found;
  }

  clear(): void {
    this.#heads.fill(0);
  }

  // FNV-1a: token ids are made by us, so nobody chooses them to collide.
  #bucket(tokenId: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < tokenId.length; i++) hash = Math.imul(hash ^ tokenId.charCodeAt(i), 0x01000193);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }
}
