import { hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LogEntry } from '@writ/contracts';
import { decodeBundle, folderSource, tileWidth, widthIn } from '@writ/tlog';

/** What was personal in an export's entries, one JSON object a line, as far as whoever exported it may see that. */
export const openingsFile = 'disclosures.jsonl';

export function openingsLine({ index, disclosures }: Pick<LogEntry, 'index' | 'disclosures'>): string {
  return `${JSON.stringify({ index, disclosures })}\n`;
}

export interface Openings {
  shown: number;
  findings: { code: 'opening-differs'; detail: string; index: number }[];
}

/**
 * Checks each line against the digests that the exported entry holds (RFC 9901). The entries themselves are checked by
 * whoever verifies the log. @returns undefined where the export shows none
 */
export async function checkOpenings(folder: string, size: number): Promise<Openings | undefined> {
  const file = join(folder, openingsFile);
  if (!existsSync(file)) return undefined;
  const leafAt = leavesOf(folder, size);
  const report: Openings = { shown: 0, findings: [] };
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const { index, disclosures } = JSON.parse(line) as Pick<LogEntry, 'index' | 'disclosures'>;
    const digests = new Set((await leafAt(index))?._sd ?? []);
    report.shown += disclosures.length;
    const foreign = disclosures.filter((text) => !digests.has(hash('sha256', text, 'base64url'))).length;
    if (foreign > 0) report.findings.push({ code: 'opening-differs', detail: `${openingsFile} shows ${foreign} fields of entry ${index} that are not the recorded ones`, index });
  }
  return report;
}

/** Lines come in the order of the log, or against it, so one bundle at a time is enough. */
function leavesOf(folder: string, size: number): (index: number) => Promise<{ _sd?: string[] } | undefined> {
  const source = folderSource(folder);
  let held = { bundle: -1, leaves: [] as Uint8Array[] };
  return async (index) => {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) return undefined;
    const bundle = Math.floor(index / tileWidth);
    const width = widthIn(size, 0, bundle);
    if (held.bundle !== bundle) held = { bundle, leaves: decodeBundle(await source.readEntries(bundle, width), width) };
    return JSON.parse(Buffer.from(held.leaves[index % tileWidth]!).toString()) as { _sd?: string[] };
  };
}
