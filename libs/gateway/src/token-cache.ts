import type { StateEntry } from '@writ/token';
import { InternTable } from './intern-table.js';
import { TokenIdIndex } from './token-id-index.js';

/** States a cached token can be in; the byte kept per token is the place in this list. */
const states = ['VALID', 'SUSPENDED', 'REVOKED', 'EXPIRED'] as const;
export type CachedState = (typeof states)[number];

/** What many tokens have in common, kept once: the right without its holder. */
export interface Grant {
  readonly audience: string;
  readonly environment: string;
  readonly scopes: readonly string[];
  readonly networks?: readonly string[];
  readonly generation?: number;
  readonly ratePerMinute?: number;
}

export interface CachedToken {
  readonly state: CachedState;
  readonly tokenId: string;
  readonly owner: string;
  readonly grant: Grant;
  readonly expiresAtMs: number;
}

const digestLength = 32;
const stateBits = 3;
const referenced = 4;

// One entry is one cache line of 64 bytes: digest (32), asOf, expiresAt (8 each), owner, grant, mark, flags (4 each).
const bytesPerSlot = 64;
const [doubles, words] = [bytesPerSlot / 8, bytesPerSlot / 4];
const [asOfAt, expiresAtAt] = [4, 5];
const [ownerAt, grantAt, markAt, flagsAt] = [12, 13, 14, 15];

/**
 * A bounded map from inner digest to token facts in flat arrays, about 140 bytes each: a million
 * objects would cost several times that, and every collection would walk them. When full, the entry
 * not used for longest (second chance) makes room.
 *
 * Each entry is as of a place in the state log. State entries are applied to it in order; what cannot
 * be decided from the entry alone evicts, so that the next call reads. An owner's epoch and the epoch
 * of everybody are a floor under `asOf`, compared on use: raising one costs the same for one token
 * and for a million.
 */
export class TokenCache {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #table: Int32Array;
  readonly #mask: number;
  readonly #tokenIds: string[] = [];
  readonly #byTokenId: TokenIdIndex;
  #owners = new InternTable<{ readonly id: string; floor: number }>();
  #grants = new InternTable<Grant>();
  #floor = 0;
  readonly #free: number[] = [];
  #used = 0;
  #hand = 0;

  constructor(readonly capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 2 ** 24) throw new RangeError('a cache holds 1 to 16,777,216 tokens');
    const size = 2 ** Math.ceil(Math.log2(capacity * 1.5));
    this.#mask = size - 1;
    this.#table = new Int32Array(size);
    const memory = new ArrayBuffer(capacity * bytesPerSlot);
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#byTokenId = new TokenIdIndex(capacity);
  }

  get size(): number {
    return this.#used - this.#free.length;
  }

  /** The slot of a digest (32 characters, one per byte), or -1. A slot is good until the next change of the cache. */
  find(digest: string): number {
    const table = this.#table;
    for (let place = hashOf(digest) & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = table[place]! - 1;
      if (slot < 0) return -1;
      if (!this.#holds(slot, digest)) continue;
      const asOf = this.#doubles[slot * doubles + asOfAt]!;
      if (asOf < this.#floor || asOf < this.#owners.at(this.#words[slot * words + ownerAt]!).floor) return -1;
      this.#words[slot * words + flagsAt]! |= referenced;
      return slot;
    }
  }

  state(slot: number): CachedState {
    return states[this.#words[slot * words + flagsAt]! & stateBits]!;
  }

  tokenId(slot: number): string {
    return this.#tokenIds[slot]!;
  }

  owner(slot: number): string {
    return this.#owners.at(this.#words[slot * words + ownerAt]!).id;
  }

  grant(slot: number): Grant {
    return this.#grants.at(this.#words[slot * words + grantAt]!);
  }

  expiresAtMs(slot: number): number {
    return this.#doubles[slot * doubles + expiresAtAt]!;
  }

  asOf(slot: number): number {
    return this.#doubles[slot * doubles + asOfAt]!;
  }

  /** A number that the user of the cache keeps with the entry, 0 at first. */
  mark(slot: number): number {
    return this.#words[slot * words + markAt]!;
  }

  setMark(slot: number, mark: number): void {
    this.#words[slot * words + markAt] = mark;
  }

  /**
   * Keeps what was read as of `seq`, unless something read later is here already. The caller has made
   * sure that no entry applied before concerns it: entries are not applied to what was not here.
   */
  put(digest: string, token: CachedToken, seq: number): void {
    const old = this.#locate(digest);
    if (old >= 0) {
      if (this.asOf(old) > seq) return;
      this.#remove(old);
    }
    const slot = this.#claimSlot();
    for (let i = 0; i < digestLength; i++) this.#bytes[slot * bytesPerSlot + i] = digest.charCodeAt(i);
    this.#doubles[slot * doubles + asOfAt] = seq;
    this.#doubles[slot * doubles + expiresAtAt] = token.expiresAtMs;
    const { audience, environment, scopes, networks, generation } = token.grant;
    const word = slot * words;
    this.#words[word + ownerAt] = this.#owners.take(token.owner, () => ({ id: token.owner, floor: 0 }));
    this.#words[word + grantAt] = this.#grants.take(JSON.stringify([audience, environment, scopes, networks, generation, token.grant.ratePerMinute]), () => token.grant);
    this.#words[word + markAt] = 0;
    this.#words[word + flagsAt] = states.indexOf(token.state);
    this.#tokenIds[slot] = token.tokenId;
    this.#byTokenId.add(slot, token.tokenId);
    let place = hashOf(digest) & this.#mask;
    while (this.#table[place] !== 0) place = (place + 1) & this.#mask;
    this.#table[place] = slot + 1;
  }

  /** Applies one entry of the state log to every cached token it concerns that was read before it. */
  apply(entry: StateEntry): void {
    if (entry.kind === 'epoch') {
      if (entry.ownerId === undefined) this.#floor = entry.seq;
      else {
        const owner = this.#owners.find(entry.ownerId);
        if (owner) owner.floor = entry.seq;
      }
      return;
    }
    if (entry.tokenId === undefined) return;
    for (const slot of this.#byTokenId.slots(entry.tokenId, this.#tokenIds)) {
      if (this.asOf(slot) >= entry.seq) continue;
      // Stopping all of a token is known in full; anything else (one secret's end, a resume) is read anew.
      if (entry.kind === 'revoke' && entry.generation === undefined) this.#setState(slot, 'REVOKED');
      else if (entry.kind === 'suspend' && entry.generation === undefined && this.state(slot) !== 'REVOKED') this.#setState(slot, 'SUSPENDED');
      else this.#remove(slot);
    }
  }

  /** Forgets everything: another incarnation, or a registration anew. */
  clear(): void {
    this.#table.fill(0);
    this.#byTokenId.clear();
    this.#owners = new InternTable();
    this.#grants = new InternTable();
    this.#tokenIds.length = 0;
    this.#free.length = 0;
    this.#used = this.#hand = this.#floor = 0;
  }

  #setState(slot: number, state: CachedState): void {
    const at = slot * words + flagsAt;
    this.#words[at] = (this.#words[at]! & ~stateBits) | states.indexOf(state);
  }

  #holds(slot: number, digest: string): boolean {
    const bytes = this.#bytes;
    for (let i = 0, at = slot * bytesPerSlot; i < digestLength; i++) if (bytes[at + i] !== digest.charCodeAt(i)) return false;
    return true;
  }

  #locate(digest: string): number {
    for (let place = hashOf(digest) & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = this.#table[place]! - 1;
      if (slot < 0 || this.#holds(slot, digest)) return slot;
    }
  }

  #claimSlot(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#used < this.capacity) return this.#used++;
    while (this.#words[this.#hand * words + flagsAt]! & referenced) {
      this.#words[this.#hand * words + flagsAt]! &= ~referenced;
      this.#hand = (this.#hand + 1) % this.capacity;
    }
    const victim = this.#hand;
    this.#hand = (this.#hand + 1) % this.capacity;
    this.#remove(victim);
    return this.#free.pop()!;
  }

  #remove(slot: number): void {
    this.#byTokenId.remove(slot, this.#tokenIds[slot]!);
    this.#owners.release(this.#words[slot * words + ownerAt]!);
    this.#grants.release(this.#words[slot * words + grantAt]!);
    this.#tokenIds[slot] = '';
    this.#words[slot * words + flagsAt] = 0;
    this.#unlink(slot);
    this.#free.push(slot);
  }

  // Open addressing without tombstones: later entries of the same run move back over the hole.
  #unlink(slot: number): void {
    let hole = this.#home(slot);
    while (this.#table[hole] !== slot + 1) hole = (hole + 1) & this.#mask;
    for (let place = (hole + 1) & this.#mask; this.#table[place] !== 0; place = (place + 1) & this.#mask) {
      const home = this.#home(this.#table[place]! - 1);
      if (((place - home) & this.#mask) < ((place - hole) & this.#mask)) continue;
      this.#table[hole] = this.#table[place]!;
      hole = place;
    }
    this.#table[hole] = 0;
  }

  #home(slot: number): number {
    const at = slot * bytesPerSlot;
    const bytes = this.#bytes;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) & this.#mask;
  }
}

// A digest is uniform already: its first four bytes are the hash.
function hashOf(digest: string): number {
  return digest.charCodeAt(0) | (digest.charCodeAt(1) << 8) | (digest.charCodeAt(2) << 16) | (digest.charCodeAt(3) << 24);
}
