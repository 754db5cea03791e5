#!/usr/bin/env node
import { Command, Option } from 'commander';
import { addAgentCommand } from './commands/agent.js';
import { addAuditCommands } from './commands/audit.js';
import { addInsightCommands } from './commands/insight.js';
import { addPolicyCommands } from './commands/policy.js';
import { addRequestCommands } from './commands/requests.js';
import { addReviewCommands } from './commands/reviews.js';
import { addRotateAllCommand } from './commands/rotate-all.js';
import { addRotationCommands } from './commands/rotations.js';
import { addScanCommand } from './commands/scan.js';
import { addSignInCommands } from './commands/sign-in.js';
import { addTokenCommands } from './commands/tokens.js';
import type { Context } from './context.js';
import { exitCodeOf, exitCodes, explain } from './exit.js';
import { Output } from './output.js';
import { parts, Session, type Part } from './session.js';

const program = new Command('writ')
  .description('API tokens: request, decide, claim, verify, rotate, revoke, prove')
  .option('--json', 'answers as JSON on stdout; lists as one JSON object a line')
  .addOption(new Option('--as <part>', 'in a development installation: act as this person').choices(parts))
  .addHelpText('after', `
Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not authenticated, 5 not found, 6 conflict, 7 timed out, 8 try again.
Addresses and tokens come from the environment, or from .writ/env of the installation you are in.`)
  .exitOverride()
  .showHelpAfterError('Run with --help to see how.');

let current: Context | undefined;
const context = (): Context => {
  const { json, as } = program.opts<{ json?: boolean; as?: Part }>();
  return (current ??= { session: new Session(process.env, process.cwd(), as), output: new Output(json ?? false) });
};
addRequestCommands(program, context);
addReviewCommands(program, context);
addTokenCommands(program, context);
addRotationCommands(program, context);
addRotateAllCommand(program, context);
addPolicyCommands(program, context);
addAuditCommands(program, context);
addScanCommand(program, context);
addAgentCommand(program, context);
addInsightCommands(program, context);
addSignInCommands(program, context);

// Whoever reads our output may leave before we are done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed));
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  const shown = (error as { code?: string }).code?.startsWith('commander.') ?? false; // commander has said it already
  if (!shown) process.stderr.write(`${explain(error).join('\n')}\n`);
}
