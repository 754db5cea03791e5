import { spawn } from 'node:child_process';
import { Ended, exitCodes } from './exit.js';

/**
 * Runs git and hands out what it prints, piece by piece.
 * @throws Ended where git is missing or refuses
 */
export async function* git(args: readonly string[], input?: string): AsyncGenerator<Buffer> {
  const child = spawn('git', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => { complaint = (complaint + text.toString()).slice(-500); });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  ended.catch(() => undefined); // Awaited below, once all output is read.
  child.stdin.on('error', () => undefined); // Git may end before it has read everything; its exit code says why.
  child.stdin.end(input ?? '');
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
  } finally {
    child.kill();
  }
  const code = await ended.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new Ended(exitCodes.failed, 'git is not installed.', 'Install it, or scan files without --staged and --history.');
    throw error;
  });
  if (code !== 0) throw new Ended(exitCodes.failed, `git ${args[0]} failed: ${complaint.trim() || `exit code ${code}`}`, 'Does the same git command work by hand?');
}

/** All of it, as pieces that a NUL byte ends. */
export async function gitList(args: readonly string[]): Promise<string[]> {
  const pieces: Buffer[] = [];
  for await (const piece of git(args)) pieces.push(piece);
  return Buffer.concat(pieces).toString().split('\0').filter((name) => name !== '');
}

/** @throws Ended outside a repository, in a sentence of our own: what git says there differs from command to command */
export async function inRepository(): Promise<void> {
  try {
    await gitList(['rev-parse', '--git-dir']);
  } catch (error) {
    if (!(error instanceof Ended) || !error.message.startsWith('git rev-parse')) throw error;
    throw new Ended(exitCodes.usage, 'This is no git repository.', 'Go into one, or scan files without --staged and --history.');
  }
}
