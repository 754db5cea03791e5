import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Secret } from '@writ/token';
import { Ended, exitCodes } from './exit.js';

export const allowFile = '.writscan-allow';

/** Secrets that may lie where they are, such as samples of tests: by the SHA-256 of each, whole. */
export type Allowed = ReadonlySet<string>;

/**
 * The list of the folder that is scanned, or of the nearest one above it up to the repository's root. Outside a
 * repository nothing above is looked at: who knows who may write there.
 */
export function readAllowed(from: string): Allowed {
  const folders = foldersOf(resolve(from));
  const file = folders.map((folder) => join(folder, allowFile)).find((each) => existsSync(each));
  return file === undefined ? new Set() : allowedIn(readFileSync(file, 'utf8'), file);
}

function foldersOf(from: string): string[] {
  const folders = [from];
  for (let folder = from; !existsSync(join(folder, '.git')); folders.push(folder)) {
    if (dirname(folder) === folder) return [from];
    folder = dirname(folder);
  }
  return folders;
}

/**
 * A line is 64 hexadecimal digits and, after a #, why. What is shown of a find is shorter on purpose: whoever lists a
 * secret has it, and means this one alone.
 * @throws Ended where a line is anything else: a list that is misread allows what nobody meant
 */
export function allowedIn(text: string, file: string): Allowed {
  const digests = text.split('\n').map((line, i) => {
    const digest = (line.split('#')[0] ?? '').trim();
    if (digest !== '' && !/^[0-9a-f]{64}$/.test(digest)) throw new Ended(exitCodes.usage, `${file}, line ${i + 1} is no SHA-256 in 64 small hexadecimal digits.`, 'Write one with: printf %s "$SECRET" | sha256sum');
    return digest;
  });
  return new Set(digests.filter(Boolean));
}

export function isAllowed(allowed: Allowed, secret: Secret): boolean {
  return allowed.size > 0 && allowed.has(createHash('sha256').update(secret.reveal()).digest('hex'));
}
