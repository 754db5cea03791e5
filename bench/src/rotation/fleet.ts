import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';
import type { ServiceName } from '@writ/contracts';
import { startPlatform, type Platform } from '../platform.js';

const owner = 'svc:bench-fleet';
const atOnce = 500;
const giveUpMs = 1_200_000;

/** The whole platform with a fleet of tokens whose secrets are sealed to their owner: they rotate without anybody who claims. */
export class Fleet {
  private readonly clients = new Map<ServiceName, pg.Client>();
  private upstream?: ChannelModel;

  private constructor(readonly platform: Platform) {}

  /** @param answering services of which one more replica runs that only answers */
  static async start(count: number, say: (line: string) => void, answering: string[] = []): Promise<Fleet> {
    const fleet = new Fleet(await startPlatform(say, answering));
    await fleet.registerKey();
    say(`issuing ${count} tokens`);
    await fleet.submit(count, { mode: 'sealed', keyId: 'bench' });
    await fleet.until('all tokens', async () => (await fleet.count('issuer', 'SELECT count(*) AS n FROM token')) === count);
    await fleet.until('rotation to know them', async () => (await fleet.count('rotation', 'SELECT count(*) AS n FROM token')) === count);
    await fleet.until('all leaves', async () => (await fleet.leaves('token.issued')) >= count);
    await fleet.platform.analyze();
    return fleet;
  }

  async call<Answer>(service: ServiceName, who: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const { env } = this.platform;
    const answer = await fetch(`${env[`WRIT_${service.toUpperCase()}_URL`]}${path}`, {
      method, headers: { authorization: `Bearer ${env[`WRIT_${who.toUpperCase()}_TOKEN`]}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Answer;
  }

  async sql<Row extends pg.QueryResultRow>(service: ServiceName, text: string, values: unknown[] = []): Promise<Row[]> {
    let client = this.clients.get(service);
    if (!client) {
      client = new pg.Client({ connectionString: this.platform.facts.migrationUrl(service) });
      await client.connect();
      this.clients.set(service, client);
    }
    return (await client.query<Row>(text, values)).rows;
  }

  async count(service: ServiceName, text: string): Promise<number> {
    return Number((await this.sql<{ n: string }>(service, text))[0]?.n);
  }

  leaves(type: string): Promise<number> {
    return this.count('audit', `SELECT count(*) AS n FROM tlog_entry WHERE type = '${type}'`);
  }

  /** Leaves of all types: known without counting them. */
  logSize(): Promise<number> {
    return this.count('audit', 'SELECT size AS n FROM tlog');
  }

  /** When the last leaf of a type was recorded, in milliseconds since 1970. */
  async lastLeafMs(type: string): Promise<number> {
    const [row] = await this.sql<{ at: Date }>('audit', 'SELECT max(recorded_at) AS at FROM tlog_entry WHERE type = $1', [type]);
    return (row as { at: Date }).at.getTime();
  }

  /** Asking costs the platform too: what is measured meanwhile is asked for no more often than needed. */
  async until(what: string, holds: () => Promise<boolean>, everyMs = 100): Promise<void> {
    for (const end = Date.now() + giveUpMs; !(await holds()); await sleep(everyMs)) {
      if (Date.now() > end) throw new Error(`Waited ${giveUpMs / 1000} s in vain for ${what}.`);
    }
  }

  async stop(): Promise<void> {
    await this.upstream?.close();
    for (const client of this.clients.values()) await client.end();
    await this.platform.stop();
  }

  private async registerKey(): Promise<void> {
    const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true });
    await this.call('request', 'admin', 'POST', '/v1/sealing-keys', { owner, keyId: 'bench', jwk: await exportJWK(publicKey) });
  }

  private async submit(count: number, delivery: object): Promise<void> {
    const url = this.platform.env.WRIT_AMQP_URL as string;
    const upstream = decodeURIComponent(new URL(url).username);
    const connection = (this.upstream = await connect(url));
    const channel = await connection.createConfirmChannel();
    // Outcomes go to a queue that somebody reads, as they do for every upstream.
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'writ.outcomes', `${upstream}.#`);
    await channel.consume(queue, () => undefined, { noAck: true });
    for (let i = 0; i < count; i++) {
      const data = { requester: { id: owner, team: 'orders' }, reason: 'a fleet to rotate', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery };
      const body = { specversion: '1.0', id: `fleet-${i}`, source: `urn:writ:upstream:${upstream}`, type: 'writ.token.request', time: new Date().toISOString(), datacontenttype: 'application/json', data };
      channel.publish('writ.requests', 'token.request', Buffer.from(JSON.stringify(body)), { persistent: true, mandatory: true, userId: upstream });
      if (i % atOnce === atOnce - 1) await channel.waitForConfirms();
    }
    await channel.waitForConfirms();
  }
}
