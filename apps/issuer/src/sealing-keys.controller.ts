import { Body, Controller, Get, Post } from '@nestjs/common';
import { SealingKeyRegistration, type SealingKeyAnswer } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, principalOf, type Caller } from '@writ/service';
import { Sealing } from './sealing.store.js';

@Controller('v1/sealing-keys')
export class SealingKeysController {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly sealing: Sealing) {}

  /** Registers a public key that one requester's secrets may be sealed to. The issuer believes nobody else's register. */
  @Post()
  @Allow('admin')
  register(@Body(bodyOf(SealingKeyRegistration)) body: SealingKeyRegistration, @CallerOf() caller: Caller): Promise<SealingKeyAnswer> {
    return this.transactions.run((tx) => this.sealing.register(tx.db, body, principalOf(caller)));
  }

  @Get()
  @Allow('admin', 'auditor')
  async list(): Promise<{ items: SealingKeyAnswer[]; next: null }> {
    return { items: await this.transactions.read((db) => this.sealing.list(db)), next: null };
  }
}
