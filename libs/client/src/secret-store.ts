import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RotationId, TokenId } from '@writ/contracts';

/** A claim, written down before it is made: made again with the same key within a minute, its answer is not lost. */
export interface ClaimNote {
  tokenId: TokenId;
  /** Absent for the token's first secret. */
  rotationId?: RotationId;
  key: string;
  /** The secret is stored; what is left is to see it used. */
  done?: boolean;
}

/**
 * Where a consumer keeps a token's secret. `keepFresh` calls one method at a time. A crash between any two calls loses
 * nothing as long as `note` and `put` are durable when they return.
 */
export interface SecretStore {
  /** The secret in use. */
  current(): Promise<string | undefined>;
  /** Makes this the secret in use. The last one that was seen in use stays beside it until `settle`. */
  put(secret: string): Promise<void>;
  /** Forgets the secret before: the new one has been used. */
  settle(): Promise<void>;
  /** Goes back to the secret before: the new one was withdrawn. */
  revert(): Promise<void>;
  /** Remembers the claim under way; with nothing, that there is none. */
  note(claim: ClaimNote | undefined): Promise<void>;
  noted(): Promise<ClaimNote | undefined>;
}

/**
 * Keeps the secret in a file, the one before in `<file>.previous`, the claim under way in `<file>.claim`; all readable
 * by their owner alone. Each is replaced as a whole: a reader sees the old secret or the new one, never half of either.
 */
export function fileStore(file: string): SecretStore {
  const previous = `${file}.previous`;
  const claim = `${file}.claim`;
  return {
    current: async () => (await readIfThere(file))?.trim(),
    put: async (secret) => {
      const before = await readIfThere(file);
      // The old one first: a crash in between leaves it twice, never nowhere. One that waits to be settled is the last
      // that is known to work, so nothing newer takes its place.
      if (before !== undefined && (await readIfThere(previous)) === undefined) await replace(previous, before);
      await replace(file, `${secret}\n`);
    },
    settle: () => rm(previous, { force: true }),
    revert: async () => {
      if ((await readIfThere(previous)) !== undefined) await rename(previous, file);
    },
    note: (attempt) => (attempt ? replace(claim, JSON.stringify(attempt)) : rm(claim, { force: true })),
    noted: async () => {
      const text = await readIfThere(claim);
      return text === undefined ? undefined : (JSON.parse(text) as ClaimNote);
    },
  };
}

/**
 * Keeps the secret in memory and hands each new one to a callback, for instance into a client's pool. After a restart
 * the consumer brings the current secret itself; a claim that a crash cut off cannot be repeated then.
 */
export function callbackStore(onSecret: (secret: string, previous: string | undefined) => void | Promise<void>, initial?: string): SecretStore {
  let current = initial;
  let previous: string | undefined;
  let claim: ClaimNote | undefined;
  return {
    current: async () => current,
    put: async (secret) => {
      await onSecret(secret, current);
      previous ??= current;
      current = secret;
    },
    settle: async () => { previous = undefined; },
    revert: async () => {
      if (previous === undefined) return;
      await onSecret(previous, undefined);
      [current, previous] = [previous, undefined];
    },
    note: async (attempt) => { claim = attempt; },
    noted: async () => claim,
  };
}

/** Keeps the secret in an environment variable of this process; what it starts from then on inherits the newest. */
export function environmentStore(name: string, environment: NodeJS.ProcessEnv = process.env): SecretStore {
  return callbackStore((secret) => { environment[name] = secret; }, environment[name]);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Atomic for readers and durable on return: file and folder are on disk before the old content is gone. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = join(dirname(file), `.${randomUUID()}.part`);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
