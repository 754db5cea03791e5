import { existsSync, readFileSync } from 'node:fs';
import { digestOfText } from '@writ/contracts';
import { folderSource, parsePolicy, urlSource, type Checkpoint, type Policy, type TileSource } from '@writ/tlog';
import { Ended, exitCodes } from './exit.js';
import { savePrivately, stateFile } from './session-file.js';
import type { Session } from './session.js';

/** Whom to believe about the log, and what is remembered of it. */
export interface Trust {
  policy: Policy;
  /** The checkpoint of the last time under the same keys. */
  remembered: Checkpoint | undefined;
  remember: (checkpoint: Checkpoint) => void;
}

export interface TrustOptions { vkey?: string; policy?: string; forget?: boolean }

/** Takes the keys from a policy file, from `--vkey`, or from the installation. */
export function trustOf({ vkey, policy: file, forget }: TrustOptions, session: Session): Trust {
  const text = file === undefined ? `log ${vkey ?? session.variable('WRIT_LOG_VKEY')}\nquorum none\n` : readText(file);
  const memory = stateFile(`checkpoints/${digestOfText(text).slice('sha256:'.length, 23)}.json`);
  return {
    policy: parsePolicy(text),
    remembered: !forget && existsSync(memory) ? recall(readFileSync(memory, 'utf8')) : undefined,
    remember: ({ origin, size, root }) => savePrivately(memory, `${JSON.stringify({ origin, size, root: Buffer.from(root).toString('base64') })}\n`),
  };
}

export const isAddress = (where: string) => /^https?:\/\//.test(where);

export function sourceAt(where: string): TileSource {
  if (isAddress(where)) return urlSource(where);
  if (!existsSync(where)) throw new Ended(exitCodes.notFound, `There is no folder ${where}.`, 'Give the folder of an export, or the address of the audit service.');
  return folderSource(where);
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read';
    throw new Ended(exitCodes.notFound, `${file} ${why}.`);
  }
}

function recall(text: string): Checkpoint {
  const { origin, size, root } = JSON.parse(text) as { origin: string; size: number; root: string };
  return { origin, size, root: Buffer.from(root, 'base64') };
}
