import { fileURLToPath } from 'node:url';
import { checkDependencies, isPermissive, problemsOf, scriptsRunBy } from './dependencies.mjs';

const sum = { version: '1.0.0', integrity: 'sha512-x' };
const facts = (entry: object, license: unknown = 'MIT', allowScripts: Record<string, boolean> = {}) =>
  problemsOf({ lock: { packages: { '': {}, 'node_modules/a': { ...sum, ...entry } } }, manifest: { allowScripts }, manifestOf: () => ({ license }) });

describe('what the checkout depends on', () => {
  it('is locked without a host, runs no undecided script and is under licences that somebody read', () => {
    expect(checkDependencies(fileURLToPath(new URL('../..', import.meta.url)))).toEqual([]);
  });

  it.each<[string, string[]]>([
    ['a host', facts({ resolved: 'https://registry.example/a.tgz' })],
    ['a missing checksum', facts({ integrity: undefined })],
    ['an install script that nobody decided on', facts({ hasInstallScript: true })],
    ['a decision about nothing', facts({}, 'MIT', { a: false })],
    ['a copyleft licence', facts({}, 'GPL-3.0-only')],
    ['no licence', facts({}, null)],
    ['half a licence', facts({}, 'MIT AND SSPL-1.0')],
  ])('is refused with %s', (_, problems) => {
    expect(problems).toHaveLength(1);
  });

  it('may have an install script that was decided on, either way', () => {
    expect(facts({ hasInstallScript: true }, 'MIT', { a: true })).toEqual([]);
    expect(facts({ hasInstallScript: true }, 'MIT', { a: false })).toEqual([]);
  });
});

describe('whoever installs, the image and the first start', () => {
  it.each(['RUN npm ci', 'npm ci --ignore-scripts || npm install', 'npm prune --omit=dev && x --ignore-scripts', 'npm rebuild', 'npm rebuild esbuild', 'npm rebuild nx', 'npm ci --ignore-scripts=false', "npm(['ci'])", "npm(['rebuild', 'node', 'nx'])"])('is caught running undecided scripts: %s', (text) => {
    expect(scriptsRunBy(text, { node: true, nx: false })).toHaveLength(1);
  });

  it('may run none, or what was decided on', () => {
    for (const text of ['npm ci --ignore-scripts --no-audit', "npm(['ci', '--ignore-scripts'])", 'npm rebuild node', "npm(['rebuild', 'node'])", 'npm rebuild --ignore-scripts', 'npm run build', 'npm sbom']) expect(scriptsRunBy(text, { node: true })).toEqual([]);
  });
});

it('of alternatives one permissive licence suffices, of several all are needed', () => {
  expect(['MIT', '(MIT OR GPL-3.0)', '(MIT AND Zlib)', 'Apache-2.0 AND MIT'].map(isPermissive)).toEqual([true, true, true, true]);
  expect(['GPL-3.0', 'MIT AND GPL-3.0', 'SEE LICENSE IN x', undefined, '(MIT OR GPL-3.0) AND SSPL-1.0'].map(isPermissive)).toEqual([false, false, false, false, false]);
});
