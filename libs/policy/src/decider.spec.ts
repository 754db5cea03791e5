import { readFileSync, readdirSync } from 'node:fs';
import { createDecider } from './decider.js';
import type { PolicyFiles } from './policy-set.js';

const folder = new URL('../../../policies/sample/', import.meta.url);
const files: PolicyFiles = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

it('a', async () => {
  const d = createDecider();
  console.log(await d.activate(files));
  await d.close();
});
