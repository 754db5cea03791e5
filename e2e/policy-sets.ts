import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { ActivationAnswer, PolicyCheck } from '@writ/contracts';
import { as as asHere, until } from './platform.js';

const folder = new URL('../policies/sample', import.meta.url).pathname;
/** The sample policy set, by file. */
export const sample: Record<string, string> = Object.fromEntries(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name)).map((file) => [relative(folder, file), readFileSync(file, 'utf8')]));

/** The sample set with other words in some places; each must be there. */
export function sampleWith(changes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(sample).map(([path, text]) => [path, Object.entries(changes).reduce((changed, [from, to]) => changed.replaceAll(from, to), text)]));
}

/** A busy machine checks a set for longer than a call waits for it; its answer is there when asked for again. */
const checked = <Answer>(ask: () => Promise<Answer>) => until('the set to be checked', () => ask().catch((error: { code?: string }) => {
  if (error.code !== 'later') throw error;
  return undefined;
}), 60_000);

/** Uploads a set and activates it, by a second person where it loosens anything. */
export async function activate(files: Record<string, string>, as = asHere): Promise<void> {
  const { digest } = await checked(() => as('admin').policy.post<PolicyCheck>('/v1/policy-sets', { body: { files } }));
  for (const part of ['admin', 'admin2']) {
    const answer = await checked(() => as(part).policy.post<ActivationAnswer>(`/v1/policy-sets/${encodeURIComponent(digest)}/activate`));
    if (answer.state === 'active') return;
  }
  throw new Error('Two people were not enough.');
}
