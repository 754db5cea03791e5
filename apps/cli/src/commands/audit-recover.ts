import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ended, exitCodes, type ExitCode } from '../exit.js';

export interface RecoverOptions { from?: string }

/** The audit service's own program, which writes into its database; both come in one installation. */
const program = fileURLToPath(new URL('../../../audit/dist/recover/main.js', import.meta.url));

/** Starts the recovery with the audit service's environment, and ends as it ends. */
export async function recoverLog({ from }: RecoverOptions): Promise<void> {
  if (!existsSync(program)) throw new Ended(exitCodes.notFound, 'The audit service is not installed beside this command.', 'Run it where the service runs, with its environment.');
  const args = from === undefined ? [] : ['--from', resolve(from)];
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = (code ?? exitCodes.failed) as ExitCode;
}
