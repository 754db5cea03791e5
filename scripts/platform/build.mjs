import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../backing/problem.mjs';
import { alone } from '../backing/state.mjs';
import { root } from './installation.mjs';

export const compiler = join(root, 'node_modules/tsc7/bin/tsc');

/** Runs a Node program of this checkout to its end; answers {code, output}. */
export function runNode(args, { env = process.env, inherit = false, timeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => { output += text; });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Compiles what changed, one run at a time: a second one would write what the services of the first are being started from. */
export async function build() {
  const dir = join(root, '.writ');
  mkdirSync(dir, { recursive: true });
  const { code, output } = await alone(dir, () => runNode([compiler, '-b']), { waitMs: 300_000, file: 'build.lock' });
  if (code !== 0) throw new Problem('The sources do not compile.', `Mend these and try again:\n${output.trim()}`);
}
