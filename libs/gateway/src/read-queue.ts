/**
 * Coalesces reads of the same token. A read may be joined only while it has not begun: whoever calls
 * after that waits for the next one, because the running read may have seen an older state than the
 * caller is entitled to.
 */
export class ReadQueue<Call> {
  #waiting = new Map<string, Call[]>();

  /** Tokens waiting to be read. */
  get size(): number {
    return this.#waiting.size;
  }

  join(digest: string, call: Call): void {
    const calls = this.#waiting.get(digest);
    if (calls) calls.push(call);
    else this.#waiting.set(digest, [call]);
  }

  /** Forgets the calls that are not to be kept. */
  prune(keep: (call: Call) => boolean): void {
    for (const [digest, calls] of this.#waiting) {
      const kept = calls.filter(keep);
      if (kept.length > 0) this.#waiting.set(digest, kept);
      else this.#waiting.delete(digest);
    }
  }

  /** Takes up to `limit` tokens, oldest first. From here on their reads have begun, and nobody joins them. */
  begin(limit: number): ReadonlyMap<string, readonly Call[]> {
    if (this.#waiting.size <= limit) {
      const all = this.#waiting;
      this.#waiting = new Map();
      return all;
    }
    const batch = new Map<string, readonly Call[]>();
    for (const [digest, calls] of this.#waiting) {
      if (batch.size === limit) break;
      batch.set(digest, calls);
      this.#waiting.delete(digest);
    }
    return batch;
  }
}
