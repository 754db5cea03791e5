import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Problem } from '../backing/problem.mjs';
import { root } from './installation.mjs';

const walkWithinMs = 120_000;

/** Has one request walk through its whole life, as its own program with nothing but the env file's variables, and shows what it says. */
export async function runWalk({ env }, reporter) {
  reporter.line('');
  const child = spawn(process.execPath, [join(root, 'scripts/walk.mjs')], { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: walkWithinMs });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { complaint += text; });
  createInterface({ input: child.stdout }).on('line', (text) => reporter.line(`  ${text}`));
  const code = await new Promise((resolve, reject) => { child.once('close', resolve).once('error', reject); });
  if (code !== 0) throw new Problem('The walk of one request through the platform failed.', `It said:\n${complaint.trim().replace(/^/gm, '    ')}`);
}
