import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { SimulationBody, type Digest, type SimulationAnswer } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, conflict, later, notFound, principalOf, type Caller } from '@writ/service';
import { filesOf, readHead } from '../sets/policy-set.store.js';
import { addSimulation, findSimulation, runningSimulations } from './simulation.store.js';

const usualDays = 30;
const mostRunning = 4;
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** What a draft would have done with the requests of the past. */
@Controller('v1')
export class SimulationsController {
  constructor(private readonly transactions: Transactions<'policy'>) {}

  /** Begins to decide the last days' requests under this set and the active one: 202. Ask for its progress by the id. */
  @Post('policy-sets/:digest/simulate')
  @HttpCode(202)
  @Allow('policy-admin')
  start(@CallerOf() caller: Caller, @Param('digest') digest: string, @Body(bodyOf(SimulationBody)) { days = usualDays }: SimulationBody): Promise<SimulationAnswer> {
    const simulationId = randomUUID();
    return this.transactions.run(async (tx) => {
      if (!(await filesOf(tx.db, digest))) throw notFound('policy set');
      const { policy_digest: active } = await readHead(tx.db);
      if (!active) throw conflict('no-active-policy-set', 'There is no active set to compare with.', 'Activate a first set.');
      if ((await runningSimulations(tx.db)) >= mostRunning) throw later('Other simulations are running.', 30);
      await addSimulation(tx.db, { simulationId, draft: digest as Digest, active, days, by: principalOf(caller) });
      return (await findSimulation(tx.db, simulationId)) as SimulationAnswer;
    });
  }

  @Get('simulations/:simulationId')
  @Allow('policy-admin', 'auditor')
  async one(@Param('simulationId') simulationId: string): Promise<SimulationAnswer> {
    const found = uuid.test(simulationId) ? await this.transactions.read((db) => findSimulation(db, simulationId)) : undefined;
    if (!found) throw notFound('simulation');
    return found;
  }
}
