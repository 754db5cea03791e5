import { Body, Controller, Get, Post } from '@nestjs/common';
import { RegisterGatewayBody, type Gateway, type GatewayCredentials } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, NoReplay, type Caller } from '@writ/service';
import { Gateways } from './gateway.store.js';

@Controller('v1/gateways')
export class GatewaysController {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly gateways: Gateways) {}

  /** Registers a gateway and shows its secret, once. `gateway-exists` where the name is taken. */
  @Post()
  @Allow('admin')
  @NoReplay()
  register(@Body(bodyOf(RegisterGatewayBody)) body: RegisterGatewayBody, @CallerOf() caller: Caller): Promise<GatewayCredentials> {
    return this.transactions.run((tx) => this.gateways.register(tx.db, body, caller));
  }

  @Get()
  @Allow('admin', 'auditor')
  async list(): Promise<{ items: Gateway[]; next: null }> {
    return { items: await this.transactions.read((db) => this.gateways.list(db)), next: null };
  }
}
