import type { Command } from 'commander';
import type { Principal, RotationAnswer, TokenView } from '@writ/contracts';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { painted, relative } from '../output.js';
import { seconds, waitFor } from '../wait.js';
import { claim } from './tokens.js';

interface RotateOptions { emergency?: boolean; reason?: string; wait?: boolean; timeout: string }

/** `writ rotate|rotations`, `writ rotation stop|force`. */
export function addRotationCommands(program: Command, context: () => Context): void {
  program.command('rotate <tokenId>')
    .description('Replace a token’s secret; the old one lives on until the new one is in use')
    .option('--emergency', 'the old secret dies at once')
    .option('--reason <text>', 'why')
    .option('--wait', 'wait until there is a new secret, and claim it where it is not sealed')
    .option('--timeout <seconds>', 'how long --wait waits', '120')
    .action((tokenId: string, options: RotateOptions) => rotate(tokenId, options, context()));
  program.command('rotations <tokenId>')
    .description('Show a token’s rotations, and who still shows the old secret')
    .action((tokenId: string) => rotations(tokenId, context()));
  const steering = program.command('rotation').description('Stop a rotation, or end what it waits for');
  for (const act of ['stop', 'force'] as const) {
    steering.command(`${act} <rotationId>`)
      .description({ stop: 'Withdraw a new secret that nobody uses yet; the old one lives on', force: 'End the old secret now, whoever still shows it' }[act])
      .requiredOption('--reason <text>', 'why; it goes into the audit log')
      .action((rotationId: string, { reason }: { reason: string }) => steer(act, rotationId, reason, context()));
  }
}

async function rotate(tokenId: string, { emergency, reason, wait, timeout }: RotateOptions, context: Context): Promise<void> {
  const { session, output } = context;
  const { rotation, issuer } = session.writ('requester');
  const body = { cause: emergency ? 'emergency' : 'requested', ...(reason ? { reason } : {}) };
  const started = await rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body });
  if (!wait) return output.answer(started, () => `${started.rotationId}  ${started.state}`);
  const ask = () => rotation.get<RotationAnswer>(`/v1/rotations/${started.rotationId}`);
  const ready = await waitFor(output, ask, ({ state }) => state !== 'due', { timeoutSeconds: seconds(timeout), words: ({ state }) => `${started.rotationId} is ${state}` });
  if (ready.state === 'claimable') return claim(tokenId, { rotation: started.rotationId }, context);
  const { delivery } = await issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
  if (delivery.mode !== 'sealed' || isInVain(ready)) throw new Ended(exitCodes.conflict, `The rotation is ${ready.state}: somebody else claimed it, or it ended.`, `See writ rotations ${tokenId}; does an agent keep this token fresh?`);
  output.answer(ready, () => `${ready.rotationId}  ${ready.state}, sealed to the registered key`);
}

/** It ended, and there is no new secret. */
function isInVain({ state }: RotationAnswer): boolean {
  return state === 'lapsed' || state === 'stopped' || state === 'ended';
}

async function rotations(tokenId: string, { session, output }: Context): Promise<void> {
  const { items } = await session.writ('requester').rotation.get<{ items: RotationAnswer[] }>(`/v1/tokens/${tokenId}/rotations`);
  if (output.json || items.length === 0) return output.rows(items, {}, 'It has never rotated.');
  output.print(items.map((each) => output.facts({
    rotation: each.rotationId,
    state: painted(each.blocked ? 'mild' : 'good', each.state),
    cause: `${each.cause}${words(each)}`,
    told: each.steered && `to ${each.steered.command}${words(each.steered)}`,
    started: relative(each.startedAt),
    ...(each.endedAt ? { ended: relative(each.endedAt) } : { 'old secret ends': each.cause === 'emergency' ? 'at once' : relative(each.deadlineAt), 'claim by': each.state === 'claimable' ? relative(each.claimBefore) : undefined }),
    'still shown': each.stragglers.map(({ agent, network, gateway, lastSeenAt }) => `${agent ?? 'somebody'} from ${network ?? 'an unknown network'} at ${gateway}, ${relative(lastSeenAt)}`).join('; ') || undefined,
  })).join('\n\n'));
}

function words({ by, reason }: { by?: Principal; reason?: string }): string {
  return `${by ? `, by ${by.sub}` : ''}${reason ? `: ${reason}` : ''}`;
}

async function steer(act: 'stop' | 'force', rotationId: string, reason: string, { session, output }: Context): Promise<void> {
  const steered = await session.writ('requester').rotation.post<RotationAnswer>(`/v1/rotations/${rotationId}/${act}`, { body: { reason } });
  output.answer(steered, () => `${steered.rotationId}  ${steered.state}`);
}
