import type { Command } from 'commander';
import type { PolicyFacts, PolicySet, TrustLevel } from '@writ/policy';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { readText } from '../log-policy.js';
import { wholeNumber } from '../wait.js';
import { loaded } from './policy.js';

interface ExplainOptions {
  case?: string; facts?: string; requester?: string; team?: string; resource?: string; scope?: string[]; env?: string; ttl?: string; trust?: string; incidents: string;
}

/** `writ policy explain`: one request, decided and explained offline. */
export function addPolicyExplain(policy: Command, context: () => Context): void {
  policy.command('explain <folder>')
    .description('Decide one request under a set and say why; offline')
    .option('--case <name>', 'the request of this golden case; the beginning of its name is enough')
    .option('--facts <file>', 'the request as JSON: requester, submitter, resource, scopes, environment, ttlSeconds')
    .option('--requester <id>', 'who asks, such as svc:nightly-export')
    .option('--team <team>', 'their team')
    .option('--resource <name>', 'what the token is for')
    .option('--scope <scope...>', 'what it may do')
    .option('--env <environment>', 'where, such as dev or prod')
    .option('--ttl <duration>', 'how long: P30D, PT12H')
    .option('--trust <level>', 'what the monitor thinks of them: normal, watched, distrusted')
    .option('--incidents <n>', 'open incidents of theirs', '0')
    .action((folder: string, options: ExplainOptions) => explainOne(folder, options, context()));
}

async function explainOne(folder: string, options: ExplainOptions, { output }: Context): Promise<void> {
  const { decide, explain, withNearest } = await import('@writ/policy');
  const set = await loaded(folder);
  const facts = await factsOf(set, options);
  const decision = withNearest(set, decide(set, facts));
  output.answer(decision, () => explain(decision).join('\n'));
}

async function factsOf(set: PolicySet, options: ExplainOptions): Promise<PolicyFacts> {
  if (options.case !== undefined) return caseOf(set, options.case);
  if (options.facts !== undefined) return jsonOf(options.facts);
  const { requester, team, resource, scope, env, ttl } = options;
  const missing = Object.entries({ requester, team, resource, scope, env, ttl }).filter(([, value]) => value === undefined).map(([name]) => `--${name}`);
  if (missing.length > 0) throw new Ended(exitCodes.usage, `The request lacks ${missing.join(', ')}.`, 'Describe it whole, or name a golden case with --case.');
  const { parseDuration, trustLevels } = await import('@writ/policy');
  const ttlSeconds = parseDuration(ttl!);
  if (ttlSeconds === undefined) throw new Ended(exitCodes.usage, `${ttl} is not a duration.`, 'For example P30D, PT12H or P1DT30M; months and years have no fixed length.');
  if (options.trust !== undefined && !trustLevels.includes(options.trust as TrustLevel)) throw new Ended(exitCodes.usage, `${options.trust} is none of ${trustLevels.join(', ')}.`);
  const who = { id: requester!, team: team!, openIncidents: wholeNumber(options.incidents), ...(options.trust ? { trust: options.trust as TrustLevel } : {}) };
  return { requester: who, submitter: requester!, resource: resource!, scopes: scope!, environment: env!, ttlSeconds };
}

function caseOf(set: PolicySet, name: string): PolicyFacts {
  const fitting = set.cases.filter((golden) => golden.name.startsWith(name));
  const found = fitting.find((golden) => golden.name === name) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (found) return found.facts;
  throw new Ended(exitCodes.notFound, fitting.length === 0 ? `No case is named "${name}".` : `Several cases begin with "${name}".`, 'writ policy test lists them.');
}

/** The engine itself refuses facts of a wrong shape, in words; only what is no JSON ends here. */
function jsonOf(file: string): PolicyFacts {
  try {
    return JSON.parse(readText(file)) as PolicyFacts;
  } catch (error) {
    if (error instanceof SyntaxError) throw new Ended(exitCodes.usage, `${file} is not JSON: ${error.message}.`);
    throw error;
  }
}
