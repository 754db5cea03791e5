import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { queues } from '@writ/contracts';
import { Broker, rpcTopology, StandingChannel } from '@writ/messaging';
import { LOG } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Gateways } from '../gateways/gateway.store.js';
import { questionOf, questionsOf } from './question.js';
import { Verifier } from '../fleet/verifier.store.js';

const maxBytes = 1_048_576;
const drainMs = 200;

interface Asked {
  pattern: string;
  data: unknown;
  id: unknown;
}

/**
 * Verification over AMQP, framed as Nest's clients frame it. The caller is the broker's user, which the broker has
 * checked; a message without one is refused. Nothing is kept: the queue is transient, and an unanswered caller asks again.
 */
@Injectable()
export class OnRpc implements OnModuleInit, BeforeApplicationShutdown {
  private broker?: Broker;
  private standing?: StandingChannel;
  private tag?: string;

  constructor(
    private readonly config: IssuerConfig, private readonly gateways: Gateways, private readonly verifier: Verifier, @Inject(LOG) private readonly log: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    if (!this.config.rpcBrokerUrl) return;
    this.broker = new Broker({ url: this.config.rpcBrokerUrl, name: 'writ issuer rpc', log: this.log });
    this.standing = new StandingChannel(this.broker, { name: queues.rpc, log: this.log, open: (model) => model.createChannel(), setUp: (channel) => this.consume(channel) });
    await this.broker.open();
  }

  private async consume(channel: Channel): Promise<void> {
    // Transient: the queue does not outlive its broker's process.
    for (const { name, durable, auto_delete: autoDelete, arguments: settings } of rpcTopology().queues) {
      await channel.assertQueue(name, { durable, autoDelete, arguments: settings });
    }
    const { consumerTag } = await channel.consume(queues.rpc, (message) => {
      if (message) return void this.serve(channel, message);
      this.log.error({}, 'the RPC queue is gone; it is declared again');
      channel.close().catch(() => undefined);
    }, { noAck: true });
    this.tag = consumerTag;
  }

  private async serve(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { replyTo, correlationId, userId } = message.properties as { replyTo?: string; correlationId?: string; userId?: string };
    if (!replyTo) return;
    const asked = askedOf(message.content);
    let answer: object;
    try {
      answer = asked ? { response: await this.answer(asked, userId), isDisposed: true, id: asked.id } : { err: fault('malformed-request', 'The message is not {pattern, data, id}.'), isDisposed: true };
    } catch (error) {
      if (!(error instanceof RpcFault)) this.log.error({ err: error }, 'a verification over AMQP failed');
      answer = { err: error instanceof RpcFault ? error.facts : fault('later', 'The issuer cannot answer just now.'), isDisposed: true, id: asked?.id };
    }
    try {
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(answer)), { correlationId });
    } catch (error) {
      this.log.debug({ err: error }, 'an answer over AMQP was lost with its connection');
    }
  }

  private async answer({ pattern, data }: Asked, userId: string | undefined): Promise<unknown> {
    const gateway = userId === undefined ? undefined : await this.gateways.ofBrokerUser(userId);
    if (!gateway) throw new RpcFault(fault('not-authenticated', 'Set user_id to a broker user that a gateway is registered with.'));
    if (pattern === 'token.verify') {
      const question = questionOf(data);
      if ('pointer' in question) throw new RpcFault(fault('invalid-body', question.message));
      return this.verifier.answer(question, gateway, 'use');
    }
    if (pattern === 'token.verify-batch') {
      const questions = questionsOf(data);
      if ('pointer' in questions) throw new RpcFault(fault('invalid-body', questions.message));
      return this.verifier.answerAll(questions, gateway);
    }
    throw new RpcFault(fault('not-found', 'The patterns are token.verify and token.verify-batch.'));
  }

  /** Takes no more, and lets what was taken be answered. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.tag) await this.standing?.current?.cancel(this.tag).catch(() => undefined);
    if (this.broker) await new Promise((resolve) => setTimeout(resolve, drainMs));
    await this.broker?.close();
  }
}

class RpcFault extends Error {
  constructor(readonly facts: object) {
    super('rpc fault');
  }
}

function fault(code: string, detail: string): object {
  return { code, detail };
}

function askedOf(bytes: Buffer): Asked | undefined {
  if (bytes.length > maxBytes) return undefined;
  try {
    const { pattern, data, id } = JSON.parse(bytes.toString()) as Partial<Asked>;
    return typeof pattern === 'string' ? { pattern, data, id } : undefined;
  } catch {
    return undefined;
  }
}
