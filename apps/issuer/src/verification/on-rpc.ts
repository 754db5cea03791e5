import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { queues } from '@writ/contracts';
import { Budgets } from '@writ/gateway';
import { Broker, rpcTopology, StandingChannel } from '@writ/messaging';
import { LOG } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Gateways, type KnownGateway } from '../gateways/gateway.store.js';
import { askedOf, triesOf, type Asked } from './asked.js';
import { questionOf, questionsOf } from './question.js';
import { Verifier } from '../fleet/verifier.store.js';

const drainMs = 200;
/** Questions that wait for the database at once, at the most, and of them one gateway's: what memory answers waits for nothing. */
const inWorkAtOnce = 512;
const inWorkOfOne = 256;
const shortWaitMs = 1_000;
/** A budget holds so many seconds of its rate at once. */
const secondsAtOnce = 4;

/**
 * Verification over AMQP, framed as Nest's clients frame it. The caller is the broker's user, which the broker has
 * checked; a message without one is refused. Nothing is kept: the queue is transient, and an unanswered caller asks again.
 * Over its budget a gateway is told so before its question is read; the queue's own bounds are in `rpcTopology`.
 */
@Injectable()
export class OnRpc implements OnModuleInit, BeforeApplicationShutdown {
  private broker?: Broker;
  private standing?: StandingChannel;
  private tag?: string;
  private readonly budgets = new Budgets();
  private inWork = 0;
  private readonly inWorkBy = new Map<string, number>();

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
      if (message) return this.serve(channel, message);
      this.log.error({}, 'the RPC queue is gone; it is declared again');
      channel.close().catch(() => undefined);
    }, { noAck: true });
    this.tag = consumerTag;
  }

  private serve(channel: Channel, message: ConsumeMessage): void {
    const { userId = '' } = message.properties as { userId?: string };
    const busy = this.tooBusyFor(userId, message.content.length);
    const asked = busy ? undefined : askedOf(message.content);
    const reply = (answer: object) => this.reply(channel, message, { ...answer, isDisposed: true, id: asked?.id });
    const fail = (error: unknown) => reply({ err: this.faultOf(error) });
    if (!asked) return reply({ err: busy ?? fault('malformed-request', 'The message is not {pattern, data, id}.') });
    try {
      const response = this.answer(asked, userId);
      if (response instanceof Promise) void this.during(userId, response).then((later: unknown) => reply({ response: later }), fail);
      else reply({ response });
    } catch (error) {
      fail(error);
    }
  }

  /** Why nothing more is taken from this user just now. */
  private tooBusyFor(userId: string, bytes: number): object | undefined {
    const perSecond = this.config.rpcPerSecond;
    const budget = { perSecond, atOnce: perSecond * secondsAtOnce };
    const mono = performance.now();
    const waitMs = this.budgets.look(userId, budget, mono);
    if (waitMs > 0) return fault('rate-limited', 'You ask faster than a replica answers one gateway.', waitMs);
    this.budgets.spend([userId, triesOf(bytes), budget.perSecond, budget.atOnce], mono);
    if (this.inWork < inWorkAtOnce && (this.inWorkBy.get(userId) ?? 0) < inWorkOfOne) return undefined;
    return fault('later', 'Too many questions are in work.', shortWaitMs);
  }

  private async during<Result>(userId: string, work: Promise<Result>): Promise<Result> {
    const change = (by: number) => {
      const count = (this.inWorkBy.get(userId) ?? 0) + by;
      this.inWork += by;
      if (count > 0) this.inWorkBy.set(userId, count);
      else this.inWorkBy.delete(userId);
    };
    change(1);
    return work.finally(() => change(-1));
  }

  private answer(asked: Asked, userId: string): unknown {
    const gateway = userId === '' ? undefined : this.gateways.ofBrokerUser(userId);
    return gateway instanceof Promise ? gateway.then((known) => this.answerTo(asked, known)) : this.answerTo(asked, gateway);
  }

  private answerTo({ pattern, data }: Asked, gateway: KnownGateway | undefined): unknown {
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

  /** Answers where somebody said that they listen. */
  private reply(channel: Channel, message: ConsumeMessage, answer: object): void {
    const { replyTo, correlationId } = message.properties as { replyTo?: string; correlationId?: string };
    try {
      if (replyTo) channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(answer)), { correlationId });
    } catch (error) {
      this.log.debug({ err: error }, 'an answer over AMQP was lost with its connection');
    }
  }

  private faultOf(error: unknown): object {
    if (error instanceof RpcFault) return error.facts;
    this.log.error({ err: error }, 'a verification over AMQP failed');
    return fault('later', 'The issuer cannot answer just now.', shortWaitMs);
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

function fault(code: string, detail: string, retryAfterMs?: number): object {
  return { code, detail, retryAfterMs };
}
