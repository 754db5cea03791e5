import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cpus } from 'node:os';
import type { Bench } from './row.js';
import { tableOf } from './table.js';

const benches = ['pipeline', 'verify', 'policy', 'rotation', 'audit', 'monitor'] as const;
const usage = `usage: npm run bench ${benches.join('|')} [-- --quick] [--part NAME]… [--json FILE]`;

const { values, positionals: [name] } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' }, part: { type: 'string', multiple: true }, json: { type: 'string' } } });
if (!benches.includes(name as never)) {
  process.stderr.write(`${usage}\n`);
  process.exit(2);
}
const say = (line: string) => process.stderr.write(`  ${line}\n`);
const { bench } = (await import(`./${name}/${name}.bench.js`)) as { bench: Bench };
const rows = await bench({ quick: values.quick ?? false, parts: values.part, say });
process.stdout.write(`\n${name} on ${cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}${values.quick ? ', quick' : ''}\n${tableOf(rows)}\n`);
if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);
