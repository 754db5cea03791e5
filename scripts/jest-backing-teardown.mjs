import { rmSync } from 'node:fs';
import { stopBacking } from './backing/backing.mjs';
import { readState } from './backing/state.mjs';

/** Ends the servers that the setup started; a set named by WRIT_TEST_BACKING belongs to somebody else and stays. */
export default async function endBacking() {
  const dir = globalThis.writTestBacking;
  if (dir === undefined) return;
  await stopBacking(dir);
  const data = readState(dir)?.postgresData;
  if (!/-\d+$/.test(dir)) return;
  for (const folder of [data, dir]) if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
