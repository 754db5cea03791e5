import { rmSync } from 'node:fs';
import { stopBacking } from './backing/backing.mjs';

/** Ends the servers that the setup started; a set named by WRIT_TEST_BACKING belongs to somebody else and stays. */
export default async function endBacking() {
  const dir = globalThis.writTestBacking;
  if (dir === undefined) return;
  await stopBacking(dir);
  // The folder of a second run beside another one; the usual folder keeps its logs.
  if (/-\d+$/.test(dir)) rmSync(dir, { recursive: true, force: true });
}
