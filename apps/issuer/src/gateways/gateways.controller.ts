import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { durationSeconds, RegisterGatewayBody, RenewGatewaySecretBody, type Gateway, type GatewayCredentials, type RenewedGatewayCredentials } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, invalid, NoReplay, type Caller } from '@writ/service';
import { Gateways } from './gateway.store.js';

const longestOverlapSeconds = 7 * 86_400;

@Controller('v1/gateways')
export class GatewaysController {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly gateways: Gateways) {}

  /** Registers a gateway and shows its secret, once. `gateway-exists` where the name is taken. */
  @Post()
  @AllowAfterStepUp('admin')
  @NoReplay()
  register(@Body(bodyOf(RegisterGatewayBody)) body: RegisterGatewayBody, @CallerOf() caller: Caller): Promise<GatewayCredentials> {
    return this.transactions.run((tx) => this.gateways.register(tx.db, body, caller));
  }

  /** Gives a gateway a new secret, shown once. The one before works on for the overlap; without one it ends within seconds. */
  @Post(':clientId/secret')
  @AllowAfterStepUp('admin')
  @NoReplay()
  @HttpCode(200)
  renewSecret(@Param('clientId') clientId: string, @Body(bodyOf(RenewGatewaySecretBody)) { overlap }: RenewGatewaySecretBody): Promise<RenewedGatewayCredentials> {
    const seconds = overlap === undefined ? 0 : durationSeconds(overlap) as number;
    if (seconds > longestOverlapSeconds) throw invalid([{ pointer: '/overlap', message: 'overlap is at most P7D.' }]);
    return this.transactions.run((tx) => this.gateways.renewSecret(tx.db, clientId, seconds));
  }

  @Get()
  @Allow('admin', 'auditor')
  async list(): Promise<{ items: Gateway[]; next: null }> {
    return { items: await this.transactions.read((db) => this.gateways.list(db)), next: null };
  }
}
