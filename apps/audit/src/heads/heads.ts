import { encodeBase64, foldHashes, hashLeaves, proveInclusionIn, TreeBuilder, tileWidth } from '@writ/tlog';

/** Where a token's entries end. */
export interface TokenHead {
  token: string;
  /** Index of its last entry. */
  index: number;
  /** Its highest ordinal. */
  k: number;
}

/** Heads of a page: a full one is a complete subtree, so that a proof needs one page and the roots of the others. */
const headsPerPage = tileWidth;

/** A page of sealed heads. */
export interface HeadsPage {
  page: number;
  /** What stands in the tree for each head: `<token> <index> <k>`. */
  lines: string[];
  root: Buffer;
}

/** What a `log.heads` leaf says: the root over the heads of all tokens, sorted by the token's bytes, in the first `size` entries. */
export interface HeadsFacts {
  size: number;
  tokens: number;
  root: string;
}

/** The text that stands for a token's head in the tree of all heads. */
export function headLine({ token, index, k }: TokenHead): string {
  return `${token} ${index} ${k}`;
}

/** Reads the line of a token in a page. */
export function headIn(lines: readonly string[], token: string): (TokenHead & { place: number }) | undefined {
  const place = lines.findIndex((line) => line.startsWith(`${token} `));
  if (place < 0) return undefined;
  const [, index, k] = lines[place]!.split(' ');
  return { token, place, index: Number(index), k: Number(k) };
}

/**
 * Seals the heads of all tokens: with their RFC 6962 root "this is the newest entry of the token" is provable, and not only
 * "this is one". They come sorted, as many at a time as one likes: there may be more tokens than fit into memory.
 */
export class Sealing {
  private readonly tree = new TreeBuilder();
  private lines: string[] = [];
  private page = 0;

  constructor(private readonly size: number) {}

  /** @returns the pages that are full by now */
  add(sorted: readonly TokenHead[]): HeadsPage[] {
    this.lines.push(...sorted.map(headLine));
    const pages: HeadsPage[] = [];
    while (this.lines.length >= headsPerPage) pages.push(this.cut());
    return pages;
  }

  /** @returns the last page, and what the leaf says */
  end(): { pages: HeadsPage[]; facts: HeadsFacts } {
    const pages = this.lines.length > 0 ? [this.cut()] : [];
    return { pages, facts: { size: this.size, tokens: this.tree.size, root: encodeBase64(this.tree.root()) } };
  }

  private cut(): HeadsPage {
    const lines = this.lines.splice(0, headsPerPage);
    const hashes = hashLines(lines);
    this.tree.append(hashes);
    return { page: this.page++, lines, root: foldHashes(hashes) };
  }
}

/** Proves the place of a line in the tree of all heads, by its page and the roots of all pages. */
export function proveHead(lines: readonly string[], place: number, page: number, roots: readonly Uint8Array[]): Buffer[] {
  const hashes = hashLines(lines);
  const own = lines.map((_, i) => hashes.subarray(i * 32, (i + 1) * 32));
  return [...proveInclusionIn(own, place), ...proveInclusionIn(roots, page)];
}

function hashLines(lines: readonly string[]): Buffer {
  return hashLeaves(lines.map((line) => Buffer.from(line)));
}
