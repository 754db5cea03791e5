import { ConfigurationError, readConfig } from '@writ/process';
import { MigrationConfig, ServiceConfig } from './config.js';
import { migrate } from './migrate.js';

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(ServiceConfig, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
  }
  return [];
}

const usable = { WRIT_HTTP_PORT: '0', WRIT_DATABASE_URL: 'postgres://writ:secret@db/writ?sslmode=verify-full', WRIT_BROKER_URL: 'amqps://writ:secret@broker/writ', WRIT_OIDC_ISSUER: 'https://id.example', WRIT_ROLE_GROUPS: '{"admin":["admins"]}' };

describe('a configuration', () => {
  it('that is usable has the numbers and lists it says', () => {
    expect(readConfig(ServiceConfig, { ...usable, WRIT_BATCH: '50' })).toMatchObject({ batch: 50, databasePool: 10, roleGroups: { admin: ['admins'] } });
  });

  it('names everything that is wrong at once, and no value', () => {
    const problems = problemsOf({ WRIT_HTTP_PORT: '0', WRIT_DATABASE_URL: 'mysql://writ:hunter2@db/writ', WRIT_BATCH: 'many', WRIT_LOG_LEVEL: 'loud', WRIT_ROLE_GROUPS: '{"admin":', WRIT_BROKER_URL_FILE: '/no/such/file' });
    expect(problems.map((problem) => problem.split(' ')[0]).toSorted()).toEqual([
      'WRIT_BATCH', 'WRIT_BROKER_URL', 'WRIT_BROKER_URL_FILE', 'WRIT_DATABASE_URL', 'WRIT_LOG_LEVEL', 'WRIT_OIDC_ISSUER', 'WRIT_ROLE_GROUPS',
    ]);
    expect(problems.join()).not.toMatch(/hunter2|many|loud/);
  });

  it.each([
    ['WRIT_DATABASE_URL', 'postgres://writ:hunter2@db/writ'], ['WRIT_DATABASE_URL', 'postgres://writ:hunter2@db/writ?sslmode=prefer'], ['WRIT_BROKER_URL', 'amqp://writ:hunter2@broker/writ'],
    ['WRIT_OIDC_ISSUER', 'http://id.example'], ['WRIT_OIDC_ISSUER', 'http://localhost.example'], ['WRIT_OIDC_ISSUER', 'http://127.0.0.1.example'],
  ])('sends no secret in plain text to another machine, unless its host is named: %s %s', (variable, address) => {
    const refused = `${variable} would send secrets in plain text to another machine: encrypt it (https, amqps, rediss, sslmode=verify-full), or name its host in WRIT_PLAIN_HOSTS where you trust the network in between`;
    expect(problemsOf({ ...usable, [variable]: address })).toEqual([refused]);
    expect(problemsOf({ ...usable, [variable]: address, WRIT_PLAIN_HOSTS: 'example, other' })).toEqual([refused]);
    expect(problemsOf({ ...usable, [variable]: address, WRIT_PLAIN_HOSTS: `other, ${new URL(address).hostname}` })).toEqual([]);
  });

  it('of a migration sends no password in plain text to another machine either, unless its host is named', async () => {
    const env = { WRIT_MIGRATION_DATABASE_URL: 'postgres://owner:hunter2@db.invalid/writ' };
    const before = process.env;
    process.env = { ...before, ...env };
    const migrated = migrate([]).finally(() => { process.env = before; });
    await expect(migrated).rejects.toThrow('WRIT_MIGRATION_DATABASE_URL would send secrets in plain text to another machine');
    expect(readConfig(MigrationConfig, { ...env, WRIT_PLAIN_HOSTS: 'db.invalid' }).migrationDatabaseUrl).toBe(env.WRIT_MIGRATION_DATABASE_URL);
  });

  it.each(['127.0.0.1', 'localhost', '[::1]', 'identity.localhost'])('may speak plain text to %s, which is this machine', (host) => {
    expect(problemsOf({ ...usable, WRIT_DATABASE_URL: `postgres://writ@${host}/writ`, WRIT_BROKER_URL: `amqp://writ@${host}/writ`, WRIT_OIDC_ISSUER: `http://${host}:4010` })).toEqual([]);
  });

  it.each(Object.keys(usable))('is not usable without %s', (variable) => {
    expect(problemsOf({ ...usable, [variable]: '' })).toEqual([expect.stringContaining(`${variable} is not set`)]);
  });
});
