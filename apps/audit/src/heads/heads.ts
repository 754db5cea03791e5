import { encodeBase64, foldHashes, hashLeaves } from '@writ/tlog';

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
 * entries. With it "this is the newest entry of the token" is provable, and not only "this is one".
 */
export function headsFacts(size: number, sorted: readonly TokenHead[]): { size: number; tokens: number; root: string } {
  return { size, tokens: sorted.length, root: encodeBase64(foldHashes(hashLeaves(sorted.map(headLeaf)))) };
}
