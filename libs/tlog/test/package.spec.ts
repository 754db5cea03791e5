import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const here = resolve(import.meta.dirname, '..');
const root = resolve(here, '../..');
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tlog-package-'));
  execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', here]);
}, 60_000);
afterAll(() => rmSync(dir, { recursive: true }));

/** The package as a stranger has it: packed, unpacked into a folder of their own, with nothing of this repository near. */
function install(): string {
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--silent', '--offline', '--pack-destination', dir], { cwd: here, encoding: 'utf8' })) as [{ filename: string }];
  const folder = join(dir, 'node_modules/@writ/tlog');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', join(dir, filename), '-C', folder, '--strip-components=1']);
  return folder;
}

describe('the package', () => {
  it('stands alone: code, types, licence and README, and nothing but Node to depend on', () => {
    const folder = install();
    expect(readdirSync(folder).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
    expect(readdirSync(join(folder, 'dist')).filter((name) => !/\.(js|d\.ts)$/.test(name))).toEqual([]);
    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: object };
    expect(Object.keys(dependencies ?? {})).toEqual([]);
    for (const name of readdirSync(join(folder, 'dist'))) {
      for (const [, from] of readFileSync(join(folder, 'dist', name), 'utf8').matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)) expect(from).toMatch(/^(node:|\.\/)/);
    }
  });

  it('runs the example of its README as it stands there, and its types fit it', () => {
    install();
    const [, example] = /```ts\n([^]*?)```/.exec(readFileSync(join(here, 'README.md'), 'utf8'))!;
    writeFileSync(join(dir, 'example.mts'), example!);
    expect(execFileSync(process.execPath, ['--no-warnings', 'example.mts'], { cwd: dir, encoding: 'utf8' })).toBe('3 []\n');
    mkdirSync(join(dir, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(root, 'node_modules/@types/node'), join(dir, 'node_modules/@types/node'));
    symlinkSync(join(root, 'node_modules/undici-types'), join(dir, 'node_modules/undici-types'));
    execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--skipLibCheck', 'false', 'example.mts'], { cwd: dir, encoding: 'utf8' });
  }, 60_000);
});
