import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where the command line keeps its own things: sign-ins, remembered checkpoints. */
export function stateFile(name: string, env: Record<string, string | undefined> = process.env): string {
  return join(env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state'), 'writ', name);
}

/** Writes a file that its owner alone may read, whole or not at all. */
export function savePrivately(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.part`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
