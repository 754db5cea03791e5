import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences that let anybody use, change and pass on, and ask for no more than their own text. */
const permissive = new Set(['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Unlicense', 'CC0-1.0', 'Zlib']);

/** Looked at one by one: what they are, and why they may stay. */
const reviewed = {
  argparse: { license: 'Python-2.0', why: 'permissive; asks for its notice only' },
  'caniuse-lite': { license: 'CC-BY-4.0', why: 'data of a development tool, not shipped; attribution only' },
};

/**
 * What is wrong with what a checkout depends on: packages that the lock file would fetch from one fixed host or without
 * a checksum, install scripts that nobody decided on, licences that nobody looked at.
 * @returns sentences; none when all is well
 */
export function problemsOf({ lock, manifest, manifestOf }) {
  const packages = Object.entries(lock.packages).filter(([path, { link }]) => path.includes('node_modules/') && !link);
  return [...hosts(packages), ...scripts(packages, manifest.allowScripts ?? {}), ...licences(packages, manifestOf)];
}

function hosts(packages) {
  return packages.flatMap(([path, { resolved, integrity, inBundle }]) => [
    ...(resolved === undefined ? [] : [`${path} names where it is downloaded from: ${new URL(resolved, 'file:').host || resolved}`]),
    ...(integrity === undefined && !inBundle ? [`${path} has no checksum`] : []),
  ]);
}

function scripts(packages, decided) {
  const wanting = new Set(packages.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)));
  return [
    ...[...wanting].filter((name) => decided[name] === undefined).map((name) => `${name} has an install script that allowScripts does not decide on`),
    ...Object.keys(decided).filter((name) => !wanting.has(name)).map((name) => `allowScripts decides on ${name}, which has no install script`),
  ];
}

/** Where a text has npm run a package's script that nobody allowed: every call says `--ignore-scripts`, or rebuilds what is allowed. */
export function scriptsRunBy(text, allowScripts = {}) {
  const calls = [...text.matchAll(/(?:\bnpm |\bnpm\(\[')(ci|install|i|add|update|prune|rebuild|exec)\b([^&|\])\n]*)/g)];
  return calls.filter(([, command, rest]) => {
    const names = rest.split(/[\s',]+/).filter((word) => word !== '' && !word.startsWith('-'));
    if (command === 'rebuild' && names.length > 0 && names.every((name) => allowScripts[name] === true)) return false;
    return !/--ignore-scripts(?![\w=-])/.test(rest);
  }).map(([call]) => `"${call.trim()}" runs the scripts of packages`);
}

function licences(packages, manifestOf) {
  return packages.flatMap(([path, { version }]) => {
    const manifest = manifestOf(path);
    if (manifest === undefined) return []; // For another platform, so not here.
    const license = licenceOf(manifest);
    if (license !== undefined && (isPermissive(license) || reviewed[nameOf(path)]?.license === license)) return [];
    return [`${nameOf(path)} ${version} is under ${license ?? 'no stated licence'}`];
  });
}

const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

function licenceOf({ license, licenses }) {
  const stated = license ?? licenses;
  const names = [stated].flat().map((one) => (typeof one === 'object' ? one?.type : one)).filter(Boolean);
  return names.length === 0 ? undefined : names.join(' AND ');
}

/** SPDX expressions as npm packages use them: of an OR one suffices, of an AND all are needed; where both occur, every name has to be. */
export function isPermissive(expression) {
  if (expression === undefined) return false;
  const names = expression.replaceAll(/[()]/g, '').split(/ (?:OR|AND) /).map((name) => name.trim());
  const isChoice = expression.includes(' OR ') && !expression.includes(' AND ');
  return names[isChoice ? 'some' : 'every']((name) => permissive.has(name));
}

/** The checkout's own answer. */
export function checkDependencies(root) {
  const read = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'));
  const manifest = read('package.json');
  const installers = ['Dockerfile', 'scripts/bootstrap.mjs'].map((file) => readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(?:#|\/\/|\*|note\().*$/gm, ''));
  return [
    ...problemsOf({ lock: read('package-lock.json'), manifest, manifestOf: (path) => (existsSync(join(root, path, 'package.json')) ? read(path, 'package.json') : undefined) }),
    ...installers.flatMap((text) => scriptsRunBy(text, manifest.allowScripts)),
  ];
}
