import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const root = join(import.meta.dirname, '../../..');
const main = join(root, 'apps/cli/dist/main.js');

export interface Ran { stdout: string; stderr: string; code: number }

/** Builds what is tested: the program as it is shipped. */
export async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/cli')]);
}

/** Runs `writ` in a folder, with nothing of this machine's environment and no installation in sight. */
export function writ(args: string[], { cwd = '/', env = {}, input, interruptWhen }: { cwd?: string; env?: Record<string, string>; input?: string; interruptWhen?: (ran: Ran) => boolean } = {}): Promise<Ran> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } });
    const ran: Ran = { stdout: '', stderr: '', code: -1 };
    const hear = (stream: 'stdout' | 'stderr') => child[stream].on('data', (text) => {
      ran[stream] += String(text);
      if (interruptWhen?.(ran)) child.kill('SIGINT');
    });
    hear('stdout');
    hear('stderr');
    child.once('error', fail).once('close', (code) => done({ ...ran, code: code ?? -1 }));
    child.stdin.end(input ?? '');
  });
}

/** How the program ends when whoever reads its output leaves at once. */
export function writInto(reader: string, args: string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn('bash', ['-c', `"$0" "$@" | ${reader}; exit \${PIPESTATUS[0]}`, process.execPath, main, ...args], { stdio: 'ignore' });
    child.once('error', fail).once('close', (code) => done(code ?? -1));
  });
}
