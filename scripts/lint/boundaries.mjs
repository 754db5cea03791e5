import nx from '@nx/eslint-plugin';

/** Files whose name has no role decide; they get facts and the time, and touch nothing. */
const doors = ['on-*', '*.controller', '*.job', '*.store', '*.row', '*.module', '*.route', '*.client', 'config', 'main', 'migrate', 'migrations/**/*', '**/migrations/**/*'].flatMap(
  (name) => [`apps/*/src/${name}.ts`, `apps/*/src/**/${name}.ts`],
);
const runtime = ['@nestjs/*', 'typeorm', 'amqplib', 'ioredis', 'pg'];

/** Who may use what. The planted violations beside this file show that each of these rules bites. */
export const boundaries = [
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': ['error', {
        enforceBuildableLibDependency: false,
        allowCircularSelfDependency: true,
        depConstraints: [
          { sourceTag: 'type:pure', onlyDependOnLibsWithTags: ['type:pure'], bannedExternalImports: runtime },
          { sourceTag: 'type:client', onlyDependOnLibsWithTags: ['type:pure', 'type:client'], bannedExternalImports: runtime },
          { sourceTag: 'type:sdk', onlyDependOnLibsWithTags: ['type:pure', 'type:sdk'], bannedExternalImports: runtime },
          { sourceTag: 'type:ui', onlyDependOnLibsWithTags: ['type:pure', 'type:client', 'type:sdk'] },
          { sourceTag: 'type:runtime', onlyDependOnLibsWithTags: ['type:pure', 'type:runtime', 'type:sdk'] },
          { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['type:pure', 'type:runtime', 'type:sdk', 'type:client', 'type:testing'] },
          { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:pure', 'type:runtime', 'type:sdk', 'type:testing'] },
        ],
      }],
      // The boundary rule does not see an app imported by its package name, nor built-in modules in pure libs.
      'no-restricted-imports': ['error', { patterns: [{ group: ['@writ/*-app', '@writ/*-app/*'], message: 'Apps never import apps: say it with an event, or move it to a lib.' }] }],
    },
  },
  // The tests of a lib or of the console may stand on the test bench, which stands on what these must not.
  { files: ['libs/*/test/**/*.ts', 'apps/console/test/**/*.ts'], rules: { '@nx/enforce-module-boundaries': 'off' } },
  {
    files: ['apps/{request,policy,issuer,rotation,audit,monitor,signer,console}/src/**/*.ts'],
    ignores: [...doors, '**/*.spec.ts'],
    rules: {
      'no-restricted-syntax': ['error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'A decision gets the time as a fact: pass it in.' },
        { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: 'A decision gets the time as a fact: pass it in.' },
        { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: 'A decision has no dice: pass the random value in.' },
      ],
      'no-restricted-imports': ['error', {
        patterns: [
          { group: ['@writ/*-app', '@writ/*-app/*'], message: 'Apps never import apps: say it with an event, or move it to a lib.' },
          { group: ['node:fs', 'node:fs/*', 'node:http', 'node:net', 'typeorm', 'amqplib', 'ioredis', 'pg'], message: 'This file’s name has no role, so it is pure: no I/O.' },
        ],
      }],
    },
  },
];
