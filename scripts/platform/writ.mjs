import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, runNode } from './build.mjs';
import { layoutOf, root } from './installation.mjs';

const entry = join(root, 'apps/cli/dist/main.js');

/** Runs the command line against the installation of this checkout; what is set in the environment wins. */
export async function run({ args }) {
  if (!existsSync(entry)) await build();
  const { code } = await runNode([entry, ...args], { inherit: true, env: { ...readEnv(layoutOf(join(root, '.writ')).envFile), ...process.env } });
  return code;
}

function readEnv(file) {
  if (!existsSync(file)) return {};
  return Object.fromEntries(readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
