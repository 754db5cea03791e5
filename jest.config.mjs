/**
 * Suites by what they need: `unit` nothing, `integration` backing services, `e2e` the whole platform. What kills, restarts or
 * starts whole platforms has one `apart`, so that both run side by side; so has what reads a log that no thief wrote to.
 */
const apart = ['crash', 'keys', 'readme', 'skew', 'start', 'tls'].map((name) => `<rootDir>/e2e/${name}.e2e-spec.ts`);
const platform = { globalSetup: '<rootDir>/scripts/jest-platform-setup.mjs', globalTeardown: '<rootDir>/scripts/jest-platform-teardown.mjs' };
const common = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['writ-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  resolver: '<rootDir>/scripts/jest-resolver.cjs',
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      module: { type: 'es6' },
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        keepClassNames: true,
      },
      sourceMaps: 'inline',
    }],
  },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/.writ/'],
  setupFiles: ['reflect-metadata'],
};

export default {
  testTimeout: 60_000, // Machines are shared: slow is no failure.
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/{apps,libs,scripts,bench}/**/*.spec.ts'], testPathIgnorePatterns: ['/node_modules/', '/dist/', '\\.int-spec\\.ts$', '\\.e2e-spec\\.ts$'] },
    { ...common, displayName: 'integration', testMatch: ['<rootDir>/{apps,libs}/*/test/**/*.int-spec.ts'], globalSetup: '<rootDir>/scripts/jest-backing-setup.mjs', globalTeardown: '<rootDir>/scripts/jest-backing-teardown.mjs' },
    { ...common, ...platform, displayName: 'e2e', testMatch: ['<rootDir>/e2e/**/*.e2e-spec.ts'], testPathIgnorePatterns: ['/node_modules/', ...apart] },
    { ...common, ...platform, displayName: 'apart', testMatch: apart },
  ],
};
