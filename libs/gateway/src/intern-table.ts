/** Keeps one copy of values that many entries share, and forgets it with its last user. */
export class InternTable<T> {
  readonly #byKey = new Map<string, number>();
  readonly #values: (T | undefined)[] = [];
  readonly #keys: string[] = [];
  readonly #users: number[] = [];
  readonly #free: number[] = [];

  /** The index of the value under `key`, made when absent. Every `take` needs one `release`. */
  take(key: string, make: () => T): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      this.#users[known]!++;
      return known;
    }
    const index = this.#free.pop() ?? this.#values.length;
    this.#values[index] = make();
    this.#keys[index] = key;
    this.#users[index] = 1;
    this.#byKey.set(key, index);
    return index;
  }

  release(index: number): void {
    if (--this.#users[index]! > 0) return;
    this.#byKey.delete(this.#keys[index]!);
    this.#values[index] = undefined;
    this.#keys[index] = '';
    this.#free.push(index);
  }

  at(index: number): T {
    return this.#values[index]!;
  }

  find(key: string): T | undefined {
    const index = this.#byKey.get(key);
    return index === undefined ? undefined : this.#values[index];
  }
}
