import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { basic, writAs, type ServiceUrls, type Writ } from '@writ/client';
import { serviceNames } from '@writ/client';
import type { LogEntry, RequestAnswer, Verification } from '@writ/contracts';

/** The platform under test, seen from outside: only the addresses and tokens of its env file. */
export function need(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests run through npm test.`);
  return value;
}

export const urls = Object.fromEntries(serviceNames.map((name) => [name, need(`WRIT_${name.toUpperCase()}_URL`)])) as ServiceUrls;
export const as = (part: string): Writ => writAs(urls, `Bearer ${need(`WRIT_${part.toUpperCase()}_TOKEN`)}`);
export const gateway = (): Writ => writAs(urls, basic(need('WRIT_GATEWAY_CLIENT_ID'), need('WRIT_GATEWAY_CLIENT_SECRET')));
export const nobody = (): Writ => writAs(urls);

export function wish(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    requester: { id: 'svc:e2e', team: 'orders' }, reason: 'end-to-end test', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' }, ...more,
  };
}

export function verify(token: string, scopes: string[] = [], more: Record<string, unknown> = {}): Promise<Verification> {
  return gateway().issuer.post<Verification>('/v1/tokens/verify', { body: { token, scopes, audience: 'orders', ...more } });
}

export async function until<Answer>(what: string, ask: () => Promise<Answer | false | undefined> | Answer | false | undefined, timeoutMs = 40_000): Promise<Answer> {
  for (const end = Date.now() + timeoutMs; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}.`);
  }
}

export const statusOf = async (requestId: string): Promise<RequestAnswer> => as('requester').request.get<RequestAnswer>(`/v1/requests/${requestId}`);
export const untilStatus = (requestId: string, status: string, timeoutMs?: number): Promise<RequestAnswer> =>
  until(`${requestId} to be ${status}`, async () => {
    const answer = await statusOf(requestId);
    return answer.status === status && answer;
  }, timeoutMs);

/** Asks for a token that policy gives by itself and claims it. */
export async function freshToken(more: Record<string, unknown> = {}): Promise<{ tokenId: string; secret: string; requestId: string }> {
  const { requestId } = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish(more) });
  const { tokenId } = await untilStatus(requestId, 'issued');
  const { secret } = await as('requester').issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`);
  return { tokenId: tokenId as string, secret, requestId };
}

export interface Outcome { id: string; type: string; data: Record<string, unknown> & { requestId?: string; tokenId?: string } }

/** An upstream system with a durable place for its outcomes. */
export class Upstream {
  readonly outcomes: Outcome[] = [];

  private constructor(readonly name: string, private readonly connection: ChannelModel, readonly channel: ConfirmChannel) {}

  static async connect(): Promise<Upstream> {
    const url = need('WRIT_AMQP_URL');
    const connection = await connect(url);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    const upstream = new Upstream(decodeURIComponent(new URL(url).username), connection, channel);
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'writ.outcomes', `${upstream.name}.#`);
    await channel.consume(queue, (message) => {
      if (message) upstream.outcomes.push(JSON.parse(message.content.toString()) as Outcome);
    }, { noAck: true });
    return upstream;
  }

  envelope(data: unknown, more: Record<string, unknown> = {}): Record<string, unknown> {
    return { specversion: '1.0', id: randomUUID(), source: `urn:writ:upstream:${this.name}`, type: 'writ.token.request', time: new Date().toISOString(), datacontenttype: 'application/json', data, ...more };
  }

  /** Publishes and waits for the broker's confirm. */
  submit(body: Record<string, unknown> | Buffer | string, options: { userId?: string | null } = {}): Promise<void> {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const userId = options.userId === null ? {} : { userId: options.userId ?? this.name };
    return new Promise((resolve, reject) => {
      this.channel.publish('writ.requests', 'token.request', bytes, { persistent: true, mandatory: true, contentType: 'application/cloudevents+json', ...userId }, (error: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  ofType(type: string): Outcome[] {
    return this.outcomes.filter((outcome) => outcome.type === `writ.${type}`);
  }

  /** The outcome of one type that fits. */
  outcome(type: string, fits: (data: Outcome['data']) => boolean, timeoutMs?: number): Promise<Outcome> {
    return until(`the outcome ${type}`, () => this.ofType(type).find(({ data }) => fits(data)), timeoutMs);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}

/** The processes of the platform under test, by name: `issuer`, `issuer-2` and so on. */
export function processes(): { name: string; pid: number; url: string }[] {
  return (JSON.parse(readFileSync(need('WRIT_PLATFORM_STATE'), 'utf8')) as { processes: { name: string; pid: number; url: string }[] }).processes;
}

/** Every entry of the audit log of one type. */
export async function entriesOf(query: Record<string, string>): Promise<LogEntry[]> {
  const found = [];
  for await (const entry of as('auditor').audit.pages<LogEntry>('/v1/entries', { ...query, limit: 200 })) found.push(entry);
  return found;
}
