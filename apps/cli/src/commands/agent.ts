import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { fileStore, keepFresh, type Step } from '@writ/client';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { relative } from '../output.js';
import { seconds, untilInterrupted } from '../wait.js';

interface AgentOptions { token: string; file: string; exec?: string; every: string; execTimeout: string }

/** `writ agent`: keeps the secret in a file fresh, for programs that know nothing of rotation. */
export function addAgentCommand(program: Command, context: () => Context): void {
  program.command('agent')
    .description('Keep a token’s secret in a file, through every rotation, until Ctrl-C or the token’s end')
    .requiredOption('--token <tokenId>', 'the token; you must be the one who may claim it')
    .requiredOption('--file <path>', 'where the secret lives; replaced as a whole, readable by you alone')
    .option('--exec <command>', 'run after each new secret, in a shell, such as "systemctl reload orders"; WRIT_TOKEN_ID and WRIT_SECRET_FILE are set')
    .option('--exec-timeout <seconds>', 'how long it may take', '60')
    .option('--every <seconds>', 'how often to look', '10')
    .action((options: AgentOptions) => agent(options, context()));
}

async function agent({ token, file, exec, every, execTimeout }: AgentOptions, { session, output }: Context): Promise<void> {
  const path = resolve(file);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  let said = '';
  const say = (line: string) => {
    if (line !== said) output.say(line);
    said = line;
  };
  const ended = await keepFresh({
    tokenId: token,
    store: fileStore(path),
    writ: session.writ('requester'),
    pollMs: seconds(every) * 1_000,
    signal: untilInterrupted(),
    onStep: (step) => say(wordsOf(step)),
    onTrouble: (error) => say(`${error.message} Trying again.`),
    onFresh: async ({ generation, expiresAt }) => {
      output.answer({ tokenId: token, file: path, generation, expiresAt }, () => `secret ${generation} is in ${file}; the token ends ${relative(expiresAt)}`);
      if (exec !== undefined) await run(exec, { WRIT_TOKEN_ID: token, WRIT_SECRET_FILE: path }, seconds(execTimeout) * 1_000);
    },
  });
  if (ended !== 'aborted') throw new Ended(exitCodes.denied, `The token is ${ended}, so there is nothing left to keep fresh.`, 'Request a new one where you still need it.');
}

function wordsOf(step: Step): string {
  if (step.do === 'claim') return step.rotationId ? `claiming the successor of ${step.rotationId}` : 'claiming the first secret';
  if (step.do === 'settle') return 'the new secret is in use; the old one is forgotten';
  if (step.do === 'revert') return 'the rotation was stopped; the old secret is in the file again';
  if (step.do === 'end') return `the token is ${step.why}`;
  return {
    fresh: 'the secret is fresh; watching for the next rotation',
    unused: 'the new secret was not used yet; the old one is kept beside it',
    suspended: 'the token is suspended; waiting until it is resumed',
    'no-secret': 'the file holds no secret, and the token was claimed before; the next rotation brings one (writ rotate starts it)',
  }[step.why];
}

/** A hook that fails ends the agent: the consumer may still hold the old secret, and somebody must know before that one ends. */
async function run(command: string, variables: Record<string, string>, timeoutMs: number): Promise<void> {
  const child = spawn(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...variables }, timeout: timeoutMs });
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  if (code !== 0) throw new Ended(exitCodes.failed, `--exec ${code === null ? `took longer than ${timeoutMs / 1_000} s` : `ended with ${code}`}: ${command}`, 'The new secret is in the file already. Run the command by hand, then start the agent again.');
}
