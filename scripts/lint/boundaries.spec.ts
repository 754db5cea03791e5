import { execFile } from 'node:child_process';
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

function lint(file: string, code: string): Promise<{ ruleId: string }[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['node_modules/eslint/bin/eslint.js', '-c', 'scripts/lint/planted.config.mjs', '--format', 'json', '--stdin', '--stdin-filename', file],
      { cwd: root, env: { ...process.env, NX_DAEMON: 'false' }, maxBuffer: 1e7 },
      (error, stdout, stderr) => {
        try {
          resolve((JSON.parse(stdout) as { messages: { ruleId: string }[] }[]).flatMap(({ messages }) => messages));
        } catch {
          reject(new Error(stderr || error?.message));
        }
      },
    );
    child.stdin?.end(code);
  });
}

describe('the boundaries', () => {
  it.each(plants)('refuse $what', async ({ file, code, rule }) => {
    expect((await lint(file, code)).map(({ ruleId }) => ruleId)).toContain(rule);
  });

  it('let an app use contracts and messaging', async () => {
    expect(await lint('apps/policy/src/on-planted.ts', "import { Tx } from '@writ/messaging';\nimport { flow } from '@writ/contracts';\nexport const x = [Tx, flow];\n")).toEqual([]);
  });
});
