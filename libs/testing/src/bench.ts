import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MixedList } from 'typeorm';
import { digestOf, purposes, signStatement, type Purpose, type ResponseRule, type ServiceName, type SigningKey } from '@writ/contracts';
import { loadSigningKey } from '@writ/service';
import { backingUrls } from './backing.js';
import { TestBus } from './bus.js';
import { testDatabase, type TestDatabase } from './database.js';
import { TestIdentity } from './identity.js';

const granted: Partial<Record<ServiceName, readonly Purpose[]>> = {
  request: ['request'], policy: ['decision', 'vote', 'policy-set'], monitor: ['proposal', 'leak'], rotation: ['rotation'],
};

/** Roles as tests give them: a group of the role's name. */
export const roleGroups = {
  requester: ['requesters'], reviewer: ['reviewers'], 'policy-admin': ['policy-admins'], admin: ['admins'], auditor: ['auditors'],
};

/** All that services need around them: databases, a bus, an identity provider, keys. Everything is this test's own. */
export class TestBench {
  private readonly databases = new Map<ServiceName, TestDatabase>();

  private constructor(readonly bus: TestBus, readonly identity: TestIdentity, readonly dir: string) {}

  static async create(): Promise<TestBench> {
    const dir = mkdtempSync(join(tmpdir(), 'writ-test-'));
    writeKeys(dir);
    return new TestBench(await TestBus.create(), await TestIdentity.start(), dir);
  }

  /** The environment of a service whose database has the given schema. */
  async env(service: ServiceName, migrations: NonNullable<MixedList<Function>>, more: Record<string, string> = {}): Promise<NodeJS.ProcessEnv> {
    let database = this.databases.get(service);
    if (!database) {
      database = await testDatabase(migrations);
      this.databases.set(service, database);
    }
    return {
      WRIT_HTTP_HOST: '127.0.0.1',
      WRIT_HTTP_PORT: '0',
      WRIT_DATABASE_URL: database.url,
      WRIT_BROKER_URL: this.bus.serviceUrl(service),
      WRIT_REDIS_URL: backingUrls().redis,
      WRIT_PLAIN_HOSTS: Object.values<string>({ ...backingUrls() }).map((url) => new URL(url).hostname).join(','),
      WRIT_OIDC_ISSUER: this.identity.issuer,
      WRIT_ROLE_GROUPS: JSON.stringify(roleGroups),
      WRIT_KEYS_DIR: join(this.dir, service),
      WRIT_TRUST_FILE: join(this.dir, 'trust.json'),
      WRIT_STATE_DIR: join(this.dir, `${service}-state`),
      WRIT_LOG_LEVEL: process.env.WRIT_TEST_LOG_LEVEL ?? 'fatal',
      ...more,
    };
  }

  database(service: ServiceName): TestDatabase {
    const database = this.databases.get(service);
    if (!database) throw new Error(`${service} has no database on this bench yet.`);
    return database;
  }

  /** The key that a service signs with, for tests that speak as that service. */
  signingKey(service: ServiceName): SigningKey {
    return loadSigningKey(join(this.dir, service));
  }

  /** Says, signed, that a policy set was activated which lets the monitor go so far. @returns the event's id */
  sayResponse(activation: number, response: ResponseRule[]): Promise<string> {
    const policyDigest = digestOf(response);
    const statement = signStatement(this.signingKey('policy'), 'policy-set', { iat: Math.floor(Date.now() / 1000), policyDigest, activation, responseDigest: digestOf(response) });
    return this.bus.say('policy', 'policy.activated', { policyDigest, activation, by: { iss: 'https://id.example', sub: 'alice' }, loosened: true, response, statement });
  }

  async drop(): Promise<void> {
    await this.bus.drop();
    await this.identity.stop();
    for (const database of this.databases.values()) await database.drop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function writeKeys(dir: string): void {
  const keys = Object.entries(granted).map(([service, may]) => {
    mkdirSync(join(dir, service), { recursive: true });
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(dir, service, `signing.${service}-1.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    return { kid: `${service}-1`, service, purposes: may.filter((purpose) => purposes.includes(purpose)), publicKey: publicKey.export({ type: 'spki', format: 'pem' }) };
  });
  writeFileSync(join(dir, 'trust.json'), JSON.stringify({ keys }));
  mkdirSync(join(dir, 'issuer'), { recursive: true });
  mkdirSync(join(dir, 'issuer-state'), { recursive: true });
  for (const kind of ['pepper', 'mac']) writeFileSync(join(dir, 'issuer', `${kind}.1.key`), randomBytes(32).toString('base64'), { mode: 0o600 });
}
