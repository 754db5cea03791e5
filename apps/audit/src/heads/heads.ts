import { encodeBase64, hashLeaves, TreeBuilder } from '@writ/tlog';

/** Where a token's entries end. */
export interface TokenHead {
  token: string;
  /** Index of its last entry. */
  index: number;
  /** Its highest ordinal. */
  k: number;
}

/** The bytes that stand for a token's head in the tree of all heads. */
export function headLeaf({ token, index, k }: TokenHead): Buffer {
  return Buffer.from(`${token} ${index} ${k}`);
}

/**
 * What a `log.heads` leaf says: the RFC 6962 root over the heads of all tokens, sorted by token, in the first `size`
 * entries. With it "this is the newest entry of the token" is provable, and not only "this is one". They come in pages:
 * there may be more tokens than fit into memory.
 */
export async function headsFacts(size: number, sorted: AsyncIterable<readonly TokenHead[]> | Iterable<readonly TokenHead[]>): Promise<{ size: number; tokens: number; root: string }> {
  const tree = new TreeBuilder();
  for await (const page of sorted) tree.append(hashLeaves(page.map(headLeaf)));
  return { size, tokens: tree.size, root: encodeBase64(tree.root()) };
}
