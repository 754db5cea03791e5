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

/** `writ rotate-all`: a mass rotation, watched until every token has been looked at and every old secret that must die is dead. */
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
}

async function rotateAll({ emergency, timeout, ...wanted }: RotateAllOptions, { session, output }: Context): Promise<void> {
  const { rotation } = session.writ('admin');
  const begun = await rotation.post<CampaignAnswer>('/v1/campaigns', { body: { cause: emergency ? 'emergency' : 'requested', ...wanted } });
  const ask = () => rotation.get<CampaignAnswer>(`/v1/campaigns/${begun.campaignId}`);
  const done = await waitFor(output, ask, isSpread, { timeoutSeconds: seconds(timeout), words: wordsOf });
  output.answer(done, () => `${begun.campaignId}: ${wordsOf(done)}`);
}

/** Claiming the successors is their owners' affair, and may take days. */
function isSpread({ spreadAt, rotations }: CampaignAnswer): boolean {
  return spreadAt !== undefined && (rotations.due ?? 0) === 0;
}

function wordsOf({ seen, skipped, rotations }: CampaignAnswer): string {
  const states = Object.entries(rotations).map(([state, count]) => `${count} ${state}`).join(', ');
  return `${seen} tokens seen, ${skipped} of them were rotating already${states === '' ? '' : `; ${states}`}`;
}
