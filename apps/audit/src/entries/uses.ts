import type { UsageRecord } from '@writ/contracts';
import { encodeBase64, foldHashes, hashLeaves } from '@writ/tlog';
import { disclose } from './disclosure.js';

/**
 * Many uses in one leaf: the leaf holds their count and the RFC 6962 root over them, so that each single one is proven
 * in two steps. A record is a salted disclosure as a whole, because where somebody calls from is personal.
 */
export interface Uses {
  facts: { records: string; uses: string; root: string };
  /** Flat leaf hashes of the records, in order; they stay when a record is forgotten, so the others stay provable. */
  hashes: Buffer;
  /** The records' disclosures with their places, by whose they are. */
  groups: { subject: string; disclosures: [place: number, text: string][] }[];
}

/** @param salt gives fresh random bytes for every record */
export function usesOf(records: readonly UsageRecord[], verifierId: string, salt: () => Uint8Array): Uses {
  const groups = new Map<string, [number, string][]>();
  const leaves: Buffer[] = [];
  let uses = 0;
  records.forEach((record, place) => {
    const { text } = disclose(salt(), 'use', record);
    const subject = record.tokenId?.toWellFormed() ?? `verifier ${verifierId}`;
    const group = groups.get(subject);
    if (group) group.push([place, text]);
    else groups.set(subject, [[place, text]]);
    leaves.push(Buffer.from(text));
    uses += record.count;
  });
  const hashes = hashLeaves(leaves);
  return {
    facts: { records: String(records.length), uses: String(uses), root: encodeBase64(foldHashes(hashes)) },
    hashes,
    groups: [...groups].map(([subject, disclosures]) => ({ subject, disclosures })),
  };
}
