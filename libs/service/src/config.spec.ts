import { ConfigurationError, readConfig } from '@writ/process';
import { ServiceConfig } from './config.js';

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(ServiceConfig, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
  }
  return [];
}

const usable = { WRIT_HTTP_PORT: '0', WRIT_DATABASE_URL: 'postgres://writ:secret@db/writ', WRIT_BROKER_URL: 'amqp://writ:secret@broker/writ', WRIT_OIDC_ISSUER: 'https://id.example', WRIT_ROLE_GROUPS: '{"admin":["admins"]}' };

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

  it.each(Object.keys(usable))('is not usable without %s', (variable) => {
    expect(problemsOf({ ...usable, [variable]: '' })).toEqual([expect.stringContaining(`${variable} is not set`)]);
  });
});
