import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { compiler } from './build.mjs';
import { root } from './installation.mjs';

/** The compiler writes a service's files one after the other; a restart waits until it has been quiet this long. */
const quietMs = 400;

/** Compiles on every change and restarts the services it concerns. Answers a function that ends both. */
export function watchSources(supervisor, reporter) {
  const child = spawn(process.execPath, [compiler, '-b', '--watch', '--preserveWatchOutput'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => { for (const line of text.split('\n')) if (/error TS/.test(line)) reporter.line(`    ${line}`); });
  }
  const dependents = dependentsOf();
  const changed = new Set();
  let timer;
  let restarting = Promise.resolve();
  const onChange = (workspace) => (_event, file) => {
    if (!file?.endsWith('.js')) return;
    for (const name of dependents.get(workspace) ?? []) changed.add(name);
    clearTimeout(timer);
    timer = setTimeout(() => { restarting = restarting.then(restartChanged); }, quietMs);
  };
  const restartChanged = async () => {
    const names = supervisor.names().filter((name) => changed.has(name.replace(/-\d+$/, '')));
    changed.clear();
    for (const name of names) {
      const began = performance.now();
      const outcome = await supervisor.restart(name).then(() => 'restarted', (error) => error.message);
      reporter.line(`  ↻ ${name.padEnd(18)}${outcome}  ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }
  };
  const watchers = [...dependents.keys()].map((workspace) => watch(join(root, workspace, 'dist'), { recursive: true }, onChange(workspace)));
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
    child.kill('SIGTERM');
  };
}

/** For each workspace, the applications that contain it: itself or through what they depend on. */
function dependentsOf() {
  const manifests = ['apps', 'libs'].flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .map((workspace) => ({ workspace, ...JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8')) }));
  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  const contents = (manifest, seen = new Set()) => {
    if (manifest === undefined || seen.has(manifest.workspace)) return seen;
    seen.add(manifest.workspace);
    for (const dependency of Object.keys(manifest.dependencies ?? {})) contents(byName.get(dependency), seen);
    return seen;
  };
  const dependents = new Map();
  for (const app of manifests.filter(({ workspace }) => workspace.startsWith('apps/'))) {
    for (const workspace of contents(app)) dependents.set(workspace, [...(dependents.get(workspace) ?? []), app.workspace.slice('apps/'.length)]);
  }
  return dependents;
}
