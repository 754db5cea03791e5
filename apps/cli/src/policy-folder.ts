import { isUtf8 } from 'node:buffer';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ended, exitCodes } from './exit.js';

/** Beyond this nothing is read: the check refuses far smaller files, by name. */
const maxBytes = 4 * 1024 * 1024;

/** Reads the policy set of a folder: its YAML and Cedar files. What else a repository holds is none of it. */
export function readPolicyFolder(folder: string): Record<string, string> {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new Ended(exitCodes.notFound, `There is no folder ${folder}.`, 'Name the folder that holds catalog.yaml, cases.yaml and the *.cedar files.');
  }
  const files: Record<string, string> = {};
  for (const path of pathsIn(folder, '')) files[path] = textOf(join(folder, path));
  return files;
}

function pathsIn(folder: string, prefix: string): string[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return [];
    if (entry.isDirectory()) return pathsIn(folder, `${prefix}${entry.name}/`);
    return entry.isFile() && /\.(?:cedar|ya?ml)$/.test(entry.name) ? [`${prefix}${entry.name}`] : [];
  });
}

/** What is no UTF-8 becomes a lone surrogate, which the check refuses with the file's name. */
function textOf(file: string): string {
  if (statSync(file).size > maxBytes) throw new Ended(exitCodes.usage, `${file} is larger than ${maxBytes} bytes.`, 'A policy set is small; is this the right folder?');
  const bytes = readFileSync(file);
  return isUtf8(bytes) ? bytes.toString() : '\ud800';
}
