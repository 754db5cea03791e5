import type { Command } from 'commander';
import type { CampaignAnswer } from '@writ/contracts';
import type { Context } from '../context.js';
import { seconds, waitFor } from '../wait.js';

interface RotateAllOptions {
  emergency?: boolean;
  reason: string;
  owner?: string;
  team?: string;
  resource?: string;
  environment?: string;
  everything?: true;
  timeout: string;
}

/** `writ rotate-all`, `writ campaign watch|stop`: a mass rotation, watched until every token has been looked at and every old secret that must die is dead. */
export function addRotateAllCommand(program: Command, context: () => Context): void {
  program.command('rotate-all')
    .description('Replace the secrets of many tokens, and watch how far it is; for administrators')
    .option('--emergency', 'the old secrets die at once')
    .requiredOption('--reason <text>', 'why; it goes into the audit log')
    .option('--owner <subject>', 'only tokens of this owner')
    .option('--team <name>', 'only tokens of this team')
    .option('--resource <name>', 'only tokens of this resource')
    .option('--environment <name>', 'only tokens in this environment')
    .option('--everything', 'all tokens there are')
    .option('--timeout <seconds>', 'how long to watch', '3600')
    .action((options: RotateAllOptions) => rotateAll(options, context()));
  const campaign = program.command('campaign').description('Watch a mass rotation that goes on, or stop it');
  campaign.command('watch <campaignId>')
    .description('Show how far it is, until every token has been looked at')
    .option('--timeout <seconds>', 'how long to watch', '3600')
    .action((campaignId: string, { timeout }: { timeout: string }) => watch(campaignId, timeout, context()));
  campaign.command('stop <campaignId>')
    .description('Begin no further rotations; those that began go on')
    .action((campaignId: string) => stop(campaignId, context()));
}

async function rotateAll({ emergency, timeout, ...wanted }: RotateAllOptions, context: Context): Promise<void> {
  const body = { cause: emergency ? 'emergency' : 'requested', ...wanted };
  const { campaignId } = await context.session.writ('admin').rotation.post<CampaignAnswer>('/v1/campaigns', { body });
  context.output.say(`${campaignId} has begun; whoever stops watching goes on with writ campaign watch ${campaignId}`);
  await watch(campaignId, timeout, context);
}

async function watch(campaignId: string, timeout: string, { session, output }: Context): Promise<void> {
  const ask = () => session.writ('admin').rotation.get<CampaignAnswer>(`/v1/campaigns/${campaignId}`);
  const done = await waitFor(output, ask, isSpread, { timeoutSeconds: seconds(timeout), words: wordsOf });
  output.answer(done, () => `${campaignId}: ${wordsOf(done)}`);
}

async function stop(campaignId: string, { session, output }: Context): Promise<void> {
  const stopped = await session.writ('admin').rotation.post<CampaignAnswer>(`/v1/campaigns/${campaignId}/stop`);
  output.answer(stopped, () => `${campaignId}: ${wordsOf(stopped)}`);
}

/** Claiming the successors is their owners' affair, and may take days. */
function isSpread({ spreadAt, rotations }: CampaignAnswer): boolean {
  return spreadAt !== undefined && (rotations.due ?? 0) === 0;
}

function wordsOf({ seen, total, skipped, rotations }: CampaignAnswer): string {
  const states = Object.entries(rotations).map(([state, count]) => `${count} ${state}`).join(', ');
  return `${seen} of ${total} tokens seen, ${skipped} rotating already${states === '' ? '' : `; ${states}`}`;
}
