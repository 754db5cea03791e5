import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startService, type Service } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { AuditModule } from '../src/audit.module.js';
import { AuditConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { SignerProcess } from './signer-process.js';

/** An audit service of any number of replicas, with its signer. */
export class AuditBench {
  readonly services: Service[] = [];

  private constructor(readonly bench: TestBench, readonly signer: SignerProcess) {}

  static async create(): Promise<AuditBench> {
    const bench = await TestBench.create();
    return new AuditBench(bench, await SignerProcess.create(join(bench.dir, 'signer')));
  }

  /** Starts a replica with a site folder of its own. */
  async start(more: Record<string, string> = {}): Promise<Service> {
    const env = await this.bench.env('audit', migrations, { ...this.signer.serviceEnv, WRIT_AUDIT_SITE_DIR: join(this.bench.dir, `site-${this.services.length}`), ...more });
    const service = await startService({ name: 'audit', module: AuditModule, config: AuditConfig, env });
    this.services.push(service);
    return service;
  }

  query<Row = Record<string, unknown>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return this.bench.database('audit').query<Row>(sql, parameters);
  }

  /** Waits until the events have leaves. */
  async recorded(events: readonly string[]): Promise<void> {
    await until(async () => (await this.query('SELECT 1 FROM tlog_entry WHERE event_id = ANY($1)', [events])).length === events.length, `${events.length} leaves`);
  }

  /** Waits until a checkpoint covers everything that is recorded now. @returns its size */
  async signed(): Promise<number> {
    const [head] = await this.query<{ size: string }>('SELECT size FROM tlog');
    const size = Number(head?.size);
    return until(async () => {
      const [row] = await this.query<{ size: string | null }>('SELECT max(size) AS size FROM checkpoint');
      return row?.size !== null && Number(row?.size) >= size ? Number(row?.size) : undefined;
    }, `a checkpoint of ${size} entries`);
  }

  /** Writes a policy file. @returns its path */
  policyFile(text: string): string {
    const path = join(this.bench.dir, `policy-${this.services.length}`);
    writeFileSync(path, text);
    return path;
  }

  auditor(): Promise<string> {
    return this.bench.identity.token({ sub: 'ada', groups: ['auditors'] });
  }

  async get(service: Service, path: string): Promise<Response> {
    return fetch(service.url + path, { headers: { authorization: `Bearer ${await this.auditor()}` }, signal: AbortSignal.timeout(10_000) });
  }

  async drop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.close()));
    await this.signer.kill();
    await this.bench.drop();
  }
}
