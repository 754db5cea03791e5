import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Without a cached project graph the boundary rule passes silently: these plants show that it does not. */
const plants = [
  { what: 'a pure lib that imports a runtime lib', file: 'libs/token/src/planted.ts', code: "import { Db } from '@writ/messaging';\nexport const x = Db;\n", rule: '@nx/enforce-module-boundaries' },
  { what: 'a pure lib that imports TypeORM', file: 'libs/contracts/src/planted.ts', code: "import { DataSource } from 'typeorm';\nexport const x = DataSource;\n", rule: '@nx/enforce-module-boundaries' },
  { what: 'an app that imports another by path', file: 'apps/policy/src/main.ts', code: "import { x } from '../../request/src/main.js';\nexport const y = x;\n", rule: '@nx/enforce-module-boundaries' },
  { what: 'an app that imports another by name', file: 'apps/policy/src/main.ts', code: "import { x } from '@writ/request-app';\nexport const y = x;\n", rule: 'no-restricted-imports' },
  { what: 'the command line that reaches into the bus', file: 'apps/cli/src/planted.ts', code: "import { Tx } from '@writ/messaging';\nexport const x = Tx;\n", rule: '@nx/enforce-module-boundaries' },
  { what: 'the console that starts a service of its own', file: 'apps/console/src/planted.ts', code: "import { startService } from '@writ/service';\nexport const x = startService;\n", rule: '@nx/enforce-module-boundaries' },
  { what: 'a decision that asks for the time', file: 'apps/issuer/src/issuing/may-issue.ts', code: 'export const x = () => new Date();\n', rule: 'no-restricted-syntax' },
  { what: 'a decision that reads the database', file: 'apps/issuer/src/issuing/may-issue.ts', code: "import { Client } from 'pg';\nexport const x = Client;\n", rule: 'no-restricted-imports' },
];
const allowed = { file: 'apps/policy/src/on-planted.ts', code: "import { Tx } from '@writ/messaging';\nimport { flow } from '@writ/contracts';\nexport const x = [Tx, flow];\n" };

/** Lints all of them in one go: to start the linter costs far more than a file does. @returns the broken rules of each */
function lintAll(files: { file: string; code: string }[]): string[][] {
  const program = `
    import { ESLint } from 'eslint';
    import { readFileSync } from 'node:fs';
    const eslint = new ESLint({ overrideConfigFile: 'scripts/lint/planted.config.mjs' });
    const rules = [];
    for (const { file, code } of JSON.parse(readFileSync(0, 'utf8'))) {
      const [{ messages }] = await eslint.lintText(code, { filePath: file });
      rules.push(messages.map(({ ruleId, message }) => ruleId ?? message));
    }
    console.log(JSON.stringify(rules));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, env: { ...process.env, NX_DAEMON: 'false' }, encoding: 'utf8', input: JSON.stringify(files) });
  return JSON.parse(output) as string[][];
}

describe('the boundaries', () => {
  let broken: string[][];
  beforeAll(() => {
    broken = lintAll([...plants, allowed]);
  });

  it.each(plants.map((plant, i) => ({ ...plant, i })))('refuse $what', ({ i, rule }) => {
    expect(broken[i]).toContain(rule);
  });

  it('let an app use contracts and messaging', () => {
    expect(broken.at(-1)).toEqual([]);
  });
});
