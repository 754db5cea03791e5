import { existsSync, readFileSync } from 'node:fs';
import { digestOfText } from '@writ/contracts';
import { folderSource, parsePolicy, urlSource, type Checkpoint, type Policy, type TileSource, type VerifierKey } from '@writ/tlog';
import { Ended, exitCodes } from './exit.js';
import { savePrivately, stateFile } from './session-file.js';
import type { Session } from './session.js';

/** Whom to believe about the log, and what is remembered of it. */
export interface Trust {
  policy: Policy;
  /** The checkpoints of the last time: of every log of the policy that was seen, each under its own key. */
  remembered: readonly Checkpoint[];
  /** Remembers it in place of the last one of the same log. */
  remember: (checkpoint: Checkpoint) => void;
}

export interface TrustOptions { vkey?: string; policy?: string; forget?: boolean }

/** Takes the keys from a policy file, from `--vkey`, or from the installation. */
export function trustOf({ vkey, policy: file, forget }: TrustOptions, session: Session): Trust {
  const policy = parsePolicy(file === undefined ? `log ${vkey ?? keyOf(session)}\nquorum none\n` : readText(file));
  const keys = policy.logs.map(({ key }) => key);
  return {
    policy,
    remembered: forget ? [] : keys.flatMap((key) => recall(memoryOf(key), key.name)),
    remember: ({ origin, size, root }) => {
      const text = `${JSON.stringify({ origin, size, root: Buffer.from(root).toString('base64') })}\n`;
      // A log whose key was rotated is one log under both keys.
      for (const key of keys) if (key.name === origin) savePrivately(memoryOf(key), text);
    },
  };
}

/** The installation's own; whoever checks a log from outside has none, and names the key. */
function keyOf(session: Session): string {
  const key = session.optional('WRIT_LOG_VKEY');
  if (!key) throw new Ended(exitCodes.usage, 'Nothing says whose log it has to be.', 'Give the key that its operator told you: --vkey name+id+base64, or --policy with a file.');
  return key;
}

/** What was seen of this very log the last time. */
export function lastSeen({ remembered }: Trust, origin: string): Checkpoint | undefined {
  return remembered.filter((seen) => seen.origin === origin).sort((a, b) => b.size - a.size)[0];
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

function memoryOf(key: VerifierKey): string {
  return stateFile(`checkpoints/${digestOfText(key.toString()).slice('sha256:'.length, 23)}.json`);
}

function recall(file: string, name: string): Checkpoint[] {
  if (!existsSync(file)) return [];
  const { origin, size, root } = JSON.parse(readFileSync(file, 'utf8')) as { origin: string; size: number; root: string };
  return origin === name ? [{ origin, size, root: Buffer.from(root, 'base64') }] : [];
}
