import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Writes the bill of materials of what runs, from the lock file, in CycloneDX JSON, to the file named or to `.writ/sbom.cdx.json`. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const file = process.argv[2] ?? join(root, '.writ/sbom.cdx.json');
const { status, stdout, stderr } = spawnSync('npm', ['sbom', '--package-lock-only', '--omit', 'dev', '--sbom-format', 'cyclonedx'], { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: 120_000 });
if (status !== 0) {
  process.stderr.write(`npm could not write the bill of materials.\n${stderr}\n`);
  process.exit(1);
}
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, stdout);
process.stdout.write(`${file}: ${JSON.parse(stdout).components.length} components\n`);
