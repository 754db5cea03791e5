import { randomBytes, generateKeyPairSync, createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ChannelModel, type Options } from 'amqplib';
import { cloudEventType, contentType, exchanges, makeId, sourceOf, vhosts, type EventType, type ServiceName, type SigningKey } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { need } from '../platform.js';
import { installation, stolen } from './callers.js';

export interface Forgery {
  type: EventType;
  data: unknown;
  /** Anything of the envelope. */
  more?: Record<string, unknown>;
}

/** Whoever has the broker credentials of a service or an upstream, and nothing else of it. */
export class Thief {
  private constructor(readonly user: string, readonly connection: ChannelModel) {}

  static async withCredentialsOf(user: string): Promise<Thief> {
    const url = new URL(need('WRIT_AMQP_URL'));
    Object.assign(url, { username: user, password: stolen<Record<string, string>>('passwords.json')[user], pathname: `/${vhosts.main}` });
    const connection = await connect(url.href, { timeout: 5_000 });
    connection.on('error', () => undefined);
    return new Thief(user, connection);
  }

  static of(service: ServiceName): Promise<Thief> {
    return Thief.withCredentialsOf(brokerUser(service));
  }

  /** Tries something on a channel of its own. @returns `done`, or the broker's reply code */
  async tries(act: (channel: Awaited<ReturnType<ChannelModel['createConfirmChannel']>>) => Promise<unknown>): Promise<'done' | number> {
    const channel = await this.connection.createConfirmChannel();
    const refused = new Promise<number>((resolve) => {
      channel.once('error', (error: { code?: number }) => resolve(error.code ?? 0));
    });
    const outcome = await Promise.race([act(channel).then(() => 'done' as const, (error: { code?: number }) => (error.code === undefined ? refused : error.code)), refused]);
    if (outcome === 'done') await channel.close();
    return outcome;
  }

  publishes(exchange: string, routingKey: string, body: unknown, userId = this.user, more: Options.Publish = {}): Promise<'done' | number> {
    return this.tries(async (channel) => {
      channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(body)), { contentType, userId, persistent: true, ...more });
      await channel.waitForConfirms();
    });
  }

  /** Says an event as the robbed service would. @returns its id */
  async says(service: ServiceName, { type, data, more = {} }: Forgery): Promise<string> {
    const id = makeId('evt', Date.now(), randomBytes(10));
    const { requestId, tokenId } = data as { requestId?: string; tokenId?: string };
    const envelope = { specversion: '1.0', id, source: sourceOf(service), type: cloudEventType(type), time: new Date().toISOString(), datacontenttype: 'application/json', subject: tokenId ?? requestId ?? id, data, ...more };
    const outcome = await this.publishes(exchanges.events, type, envelope);
    if (outcome !== 'done') throw new Error(`The broker refused ${type} with ${outcome}.`);
    return String(envelope.id);
  }

  /** Publishes what was heard again, byte for byte. */
  async replays(exchange: string, routingKey: string, body: Buffer, type: string): Promise<void> {
    const outcome = await this.tries(async (channel) => {
      channel.publish(exchange, routingKey, body, { contentType: type, userId: this.user, persistent: true });
      await channel.waitForConfirms();
    });
    if (outcome !== 'done') throw new Error(`The broker refused ${routingKey} with ${outcome}.`);
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

/** A key that nobody trusts, under the name of one that is trusted or under its own. */
export function selfMadeKey(kid = 'self-made'): SigningKey {
  return { kid, privateKey: generateKeyPairSync('ed25519').privateKey };
}

/** The signing key of another service: trusted, for other things. */
export function stolenKey(service: ServiceName): SigningKey {
  const folder = join(installation, 'keys', service);
  const name = readdirSync(folder).find((file) => /^signing\..+\.pem$/.test(file)) as string;
  return { kid: name.slice('signing.'.length, -'.pem'.length), privateKey: createPrivateKey(readFileSync(join(folder, name))) };
}

export const claimsOf = <T>(statement: string): T => JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString()) as T;
