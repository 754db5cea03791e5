import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../backing/problem.mjs';
import { developmentGateway, developmentUpstream, root, writePrivately } from './installation.mjs';

const sampleSet = join(root, 'policies/sample');
const answerWithinMs = 60_000;
const laterAtMostMs = 120_000;

/**
 * Gives a development installation what its people would set up by hand, through the same routes as they would: the
 * sample policy set, an upstream that may speak for team orders, and a gateway. Safe to repeat.
 * @returns the gateway's credentials and everybody's bearer tokens
 */
export async function seed({ urls, tokens, gatewayFile }) {
  await activateSampleSet(urls.policy, tokens);
  await registerUpstream(urls.request, tokens.admin);
  return { tokens, gateway: await registerGateway(urls.issuer, tokens.admin, gatewayFile) };
}

async function activateSampleSet(policy, tokens) {
  const uploaded = await post(`${policy}/v1/policy-sets`, tokens.admin, { files: filesOf(sampleSet) });
  if (uploaded.valid === false) throw new Problem('The sample policy set is not valid.', JSON.stringify(uploaded.problems, null, 2));
  // By the second admin: whoever wrote a set that loosens anything may not also activate it.
  await post(`${policy}/v1/policy-sets/${encodeURIComponent(uploaded.digest)}/activate`, tokens.admin2, {});
}

/** Both the upstream and the requester's own bearer token may ask for anybody of team orders; the requester fetches the secrets. */
const registerUpstream = (request, admin) => post(`${request}/v1/upstreams`, admin, {
  name: developmentUpstream,
  requesters: ['*'],
  teams: [{ team: 'orders', environments: ['dev', 'prod'], claimant: 'dev-requester' }],
  subject: 'dev-requester',
}, { existing: 409 });

/** The secret is shown once, so it is kept; where the issuer's database is another one by now, the gateway is registered there. */
async function registerGateway(issuer, admin, gatewayFile) {
  const kept = existsSync(gatewayFile) ? JSON.parse(readFileSync(gatewayFile, 'utf8')) : undefined;
  if (kept !== undefined && await isKnown(issuer, kept)) return kept;
  const { clientId, clientSecret } = await post(`${issuer}/v1/gateways`, admin, { name: developmentGateway, audiences: ['orders', 'billing'], brokerUser: developmentGateway });
  writePrivately(gatewayFile, JSON.stringify({ clientId, clientSecret }));
  return { clientId, clientSecret };
}

async function isKnown(issuer, { clientId, clientSecret }) {
  const answer = await fetch(`${issuer}/v1/tokens/verify`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ token: 'writ_dev_none' }),
    signal: AbortSignal.timeout(answerWithinMs),
  });
  return answer.status !== 401;
}

/** Every file of a policy set by its path within the set. */
function filesOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map((entry) => join(entry.parentPath, entry.name)).sort().map((file) => [relative(folder, file), readFileSync(file, 'utf8')]));
}

async function post(url, token, body, { existing } = {}) {
  const answer = await untilAccepted(() => fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answerWithinMs),
  }));
  const said = await answer.json().catch(() => ({}));
  if (answer.ok || answer.status === existing) return said;
  throw new Problem(`POST ${new URL(url).pathname} was refused with ${answer.status} ${said.code ?? ''}: ${said.detail ?? said.title ?? 'no reason given'}`, `Its errors: ${JSON.stringify(said.errors ?? [])}. The log of that service says more.`);
}

/** "Later" (503) is an answer that a busy machine gets; it is asked again when it says, until it takes too long. */
async function untilAccepted(ask) {
  for (const end = Date.now() + laterAtMostMs; ;) {
    const answer = await ask();
    if (answer.status !== 503 || Date.now() > end) return answer;
    await answer.body?.cancel();
    await sleep(1000 * (Number(answer.headers.get('retry-after')) || 1));
  }
}
