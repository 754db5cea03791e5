import { isIP } from 'node:net';
import type { UsageRecord } from './fleet-messages.js';

interface Use {
  readonly place: number;
  readonly tokenId: string;
  readonly generation: number | undefined;
  readonly code: string;
  readonly scopes: readonly string[] | undefined;
  readonly granted: readonly string[] | undefined;
  readonly address: string | undefined;
  readonly agent: string | undefined;
  readonly firstMono: number;
  count: number;
  lastMono: number;
  readonly next: Use | undefined;
}

const maxAgentLength = 200;
/** The issuer takes no record that names more. */
const maxScopes = 64;

/**
 * Counts uses between two uploads, alike ones together. Recording allocates only for the first of its
 * kind and never waits. Bounded: beyond the limit uses are counted as lost, which is told to the
 * issuer, so that "nobody used it" is never concluded from a book that was full.
 */
export class UsageBook {
  #first = new Map<string, Use>();
  // Place 0 stays empty: it is the mark of those who have none.
  #uses: (Use | undefined)[] = [undefined];
  #lost = 0;

  constructor(private readonly limit: number) {}

  get size(): number {
    return this.#uses.length - 1;
  }

  /**
   * Counts one use. `mark` is what the last record of this token returned, or 0: it finds a use like
   * the last one without a look-up. Marks need no care: one that is out of date is only slower.
   */
  record(mark: number, tokenId: string, code: string, scopes: readonly string[] | undefined, granted: readonly string[] | undefined, address: string | undefined, agent: string | undefined, mono: number, generation?: number): number {
    let use = this.#uses[mark];
    if (use === undefined || use.tokenId !== tokenId || use.generation !== generation || !isLike(use, code, scopes, address, agent)) {
      use = this.#first.get(tokenId);
      while (use !== undefined && (use.generation !== generation || !isLike(use, code, scopes, address, agent))) use = use.next;
    }
    if (use === undefined) {
      if (this.size >= this.limit) {
        this.#lost++;
        return 0;
      }
      use = { place: this.#uses.length, tokenId, generation, code, scopes: scopes && [...scopes], granted, address, agent, firstMono: mono, count: 0, lastMono: mono, next: this.#first.get(tokenId) };
      this.#uses.push(use);
      this.#first.set(tokenId, use);
    }
    use.count++;
    use.lastMono = mono;
    return use.place;
  }

  /** Empties the book. `timeOf` turns the monotonic time of a use into database time, RFC 3339. */
  take(timeOf: (mono: number) => string): { readonly records: UsageRecord[]; readonly lost: number } {
    const lost = this.#lost;
    const records = this.#uses.flatMap((use) => (use ? [recordOf(use, timeOf)] : []));
    this.#first = new Map();
    this.#uses = [undefined];
    this.#lost = 0;
    return { records, lost };
  }
}

function isLike(use: Use, code: string, scopes: readonly string[] | undefined, address: string | undefined, agent: string | undefined): boolean {
  return use.code === code && use.address === address && use.agent === agent && sameScopes(use.scopes, scopes);
}

function sameScopes(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function recordOf({ tokenId, generation, code, scopes = [], granted = [], address, agent, count, firstMono, lastMono }: Use, timeOf: (mono: number) => string): UsageRecord {
  const asked = [...new Set(scopes)];
  const denied = code === 'INSUFFICIENT_SCOPE' ? asked.filter((scope) => !granted.includes(scope)) : [];
  return {
    tokenId, generation, code, count, firstAt: timeOf(firstMono), at: timeOf(lastMono), scopesUsed: code === 'VALID' ? asked.slice(0, maxScopes) : [], scopesDenied: denied.slice(0, maxScopes),
    network: address === undefined ? undefined : networkOf(address), agent: agent?.slice(0, maxAgentLength),
  };
}

/**
 * The caller's network: /24 of an IPv4 address, /48 of an IPv6 one; undefined when it is neither. What clients write into
 * a header passes through here, so it is never longer than the longest network.
 */
export function networkOf(address: string): string | undefined {
  if (isIP(address) === 0) return undefined;
  const four = /^(?:::ffff:)?(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$/i.exec(address);
  if (four) return `${four[1]}.0/24`;
  if (/[.%]/.test(address)) return undefined;
  const [head = '', tail] = address.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return `${groups.slice(0, 3).map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/48`;
}
