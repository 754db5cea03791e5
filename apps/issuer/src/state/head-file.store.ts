import { mkdirSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Head } from './state-log.store.js';

const pattern = /^head\.([\w-]+)\.json$/;
const doubtFile = 'doubt.txt';

/**
 * The newest head of the state log that this replica has seen, outside the database and synced to disk: a database that
 * was set back is noticed. Each replica writes a file of its own into the folder; all of them are read at start.
 */
export class HeadFile {
  private readonly file: string;

  constructor(private readonly dir: string, private readonly replica: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.file = join(dir, `head.${replica}.json`);
  }

  /** Every head that a replica has left here. One that goes meanwhile is covered by another's, perhaps a new one: begun anew. */
  all(): Head[] {
    const heads = this.names().map((name) => readHead(join(this.dir, name)));
    return heads.every((head) => head !== undefined) ? heads : this.all();
  }

  /** Crash-safe: the old head stands until the new one is on disk. */
  write({ incarnation, seq, chain }: Head): Promise<void> {
    return this.replace(this.file, JSON.stringify({ incarnation, seq, chain: chain.toString('base64') }));
  }

  /** Why a replica that keeps its head here believes nothing any more. */
  doubt(): string | undefined {
    return textOf(join(this.dir, doubtFile));
  }

  async keepDoubt(doubt: string): Promise<void> {
    await this.replace(join(this.dir, doubtFile), doubt);
  }

  private async replace(file: string, text: string): Promise<void> {
    const draft = `${this.file}.draft`;
    const handle = await open(draft, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
    const folder = await open(this.dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** Removes what other replicas left behind and this one's file now covers. */
  async tidy(covered: Head): Promise<void> {
    for (const name of this.names()) {
      if (name === `head.${this.replica}.json`) continue;
      const head = readHead(join(this.dir, name));
      if (head && head.incarnation === covered.incarnation && head.seq <= covered.seq) await unlink(join(this.dir, name)).catch(() => undefined);
    }
  }

  private names(): string[] {
    return readdirSync(this.dir).filter((name) => pattern.test(name));
  }
}

/** An operator has accepted the log as it is: what was seen of it before, and doubted, is over. */
export function forgetHeads(dir: string): void {
  for (const name of readdirSync(dir)) if (pattern.test(name) || name === doubtFile) unlinkSync(join(dir, name));
}

function readHead(file: string): Head | undefined {
  const text = textOf(file);
  if (text === undefined) return undefined;
  const { incarnation, seq, chain } = JSON.parse(text) as { incarnation: string; seq: number; chain: string };
  return { incarnation, seq, chain: Buffer.from(chain, 'base64') };
}

/** @returns undefined where there is no such file, perhaps because another replica removed it just now */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
