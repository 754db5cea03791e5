import tseslint from 'typescript-eslint';
import { boundaries } from './boundaries.mjs';

/** The boundary rules alone, for the planted violations: these are texts, no files of any TypeScript project. */
export default [{ files: ['**/*.ts'], languageOptions: { parser: tseslint.parser } }, ...boundaries];
