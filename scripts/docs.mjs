import { readFileSync, writeFileSync } from 'node:fs';
import { asyncApi, flowPicture } from '@writ/contracts';

/** Writes the documents that come from the contracts; a test fails while they are stale. */
const at = (path) => new URL(`../${path}`, import.meta.url);
writeFileSync(at('docs/asyncapi.json'), `${JSON.stringify(asyncApi(), null, 2)}\n`);
const readme = readFileSync(at('README.md'), 'utf8');
writeFileSync(at('README.md'), readme.replace(/(```mermaid\n)[^`]*?\n?(```)/, (_, open, close) => `${open}${flowPicture()}\n${close}`));
