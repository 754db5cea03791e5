import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { basic, ProblemError, writAs } from '@writ/client';
import { parsePolicy, urlSource, verifyLog } from '@writ/tlog';

/**
 * Walks two requests through their whole lives, as an upstream, a requester, two reviewers, a gateway and an auditor
 * would, with nothing but the addresses and tokens of the env file, and says each step in plain words.
 */
const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set.`);
  return value;
};
const urls = Object.fromEntries(['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor'].map((name) => [name, need(`WRIT_${name.toUpperCase()}_URL`)]));
const as = (part) => writAs(urls, `Bearer ${need(`WRIT_${part.toUpperCase()}_TOKEN`)}`);
const requester = as('requester');
const auditor = as('auditor');
const gateway = writAs(urls, basic(need('WRIT_GATEWAY_CLIENT_ID'), need('WRIT_GATEWAY_CLIENT_SECRET')));
const withinMs = 20_000;

let step = 0;
const say = (text) => process.stdout.write(`${text === '' ? '' : `${String((step += 1)).padStart(2)}  ${text}`}\n`);
const more = (text) => process.stdout.write(`    ${text}\n`);

async function until(what, ask) {
  for (const end = Date.now() + withinMs; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const answer = await ask();
    if (answer) return answer;
  }
  throw new Error(`Waited ${withinMs / 1000} s in vain for ${what}.`);
}

const wish = (more_) => ({ requester: { id: 'svc:nightly-export', team: 'orders' }, reason: 'nightly export of orders', resource: 'orders', delivery: { mode: 'claim' }, ...more_ });
const check = async (token, scopes) => gateway.issuer.post('/v1/tokens/verify', { body: { token, scopes, audience: 'orders' } });
const hidden = (secret) => `${secret.slice(0, secret.lastIndexOf('_') + 5)}…`;

async function askOverAmqp() {
  const url = need('WRIT_AMQP_URL');
  const upstream = decodeURIComponent(new URL(url).username);
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'writ.outcomes', `${upstream}.#`);
  const outcomes = [];
  await channel.consume(queue, (message) => message && outcomes.push(JSON.parse(message.content.toString())), { noAck: true });
  const event = { specversion: '1.0', id: randomUUID(), source: `urn:writ:upstream:${upstream}`, type: 'writ.token.request', time: new Date().toISOString(), datacontenttype: 'application/json', data: wish({ scopes: ['orders:read'], environment: 'dev', ttl: 'P7D' }) };
  channel.publish('writ.requests', 'token.request', Buffer.from(JSON.stringify(event)), { persistent: true, mandatory: true, userId: upstream, messageId: event.id, contentType: 'application/cloudevents+json' });
  await channel.waitForConfirms();
  say(`${upstream} asks over AMQP: orders:read in dev, for 7 days`);
  const issued = await until('the outcome token.issued', () => outcomes.find(({ type, data }) => {
    if (['writ.request.refused', 'writ.request.denied'].includes(type)) throw new Error(`${type}: ${JSON.stringify(data)}`);
    return type === 'writ.token.issued';
  }));
  await connection.close();
  const { requestId, tokenId } = issued.data;
  const { decision } = await until('the decision', async () => {
    const answer = await requester.request.get(`/v1/requests/${requestId}`);
    return answer.decision && answer;
  });
  more(`request ${requestId}`);
  say(`policy says yes by itself: ${decision.because.map(({ reason }) => reason).join('; ')}`);
  more(`token ${tokenId} exists; its secret does not, until it is claimed`);
  return tokenId;
}

async function claimAndVerify(tokenId) {
  const { secret, expiresAt } = await requester.issuer.post(`/v1/tokens/${tokenId}/claim`);
  say(`the requester claims the secret: ${hidden(secret)} (shown once, valid until ${expiresAt.slice(0, 10)})`);
  const yes = await check(secret, ['orders:read']);
  if (!yes.valid) throw new Error(`The fresh token verifies as ${yes.code}.`);
  const no = await check(secret, ['orders:write']);
  say(`the gateway verifies it: orders:read ${yes.code}, orders:write ${no.code}`);
  return secret;
}

async function rotate(tokenId, old) {
  // The rotation service hears of the claim a moment after the issuer answered it.
  const { rotationId } = await until('the rotation to begin', () => requester.rotation.post(`/v1/tokens/${tokenId}/rotate`, { body: { reason: 'to show how' } }).catch((error) => {
    if (error instanceof ProblemError && (error.status === 404 || error.code === 'token-not-delivered')) return undefined;
    throw error;
  }));
  await until('the successor to be claimable', async () => (await requester.rotation.get(`/v1/rotations/${rotationId}`)).state === 'claimable');
  const { secret } = await requester.issuer.post(`/v1/tokens/${tokenId}/claim`, { body: { rotationId } });
  const [first, second] = [await check(old, ['orders:read']), await check(secret, ['orders:read'])];
  say(`rotation: old secret ${first.code}, new secret ${second.code}; the old one retires when nobody uses it any more`);
  return secret;
}

async function review() {
  const { requestId } = await requester.request.post('/v1/requests', { body: wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'PT8H' }) });
  say('the requester asks over HTTP: orders:write in prod, for 8 hours');
  const held = await until('the request to be held', async () => {
    const answer = await requester.request.get(`/v1/requests/${requestId}`);
    return answer.status === 'held' && answer;
  });
  say(`policy holds it, a human must look: ${held.decision.because.map(({ reason }) => reason).join('; ')}`);
  if (held.decision.nearest) more(`would need nobody: ${held.decision.nearest.words}`);
  for (const part of ['reviewer', 'reviewer2']) {
    const body = { vote: 'approve', reason: 'a known export job' };
    await until('the review to open', () => as(part).policy.post(`/v1/reviews/${requestId}/votes`, { body }).catch((error) => {
      if (error instanceof ProblemError && error.status === 404) return undefined;
      throw error;
    }));
  }
  const { tokenId } = await until('the token to be issued', async () => {
    const answer = await requester.request.get(`/v1/requests/${requestId}`);
    return answer.status === 'issued' && answer;
  });
  say(`two reviewers approve, each vote signed; token ${tokenId} is issued`);
  return tokenId;
}

async function revoke(tokenId) {
  const { secret } = await requester.issuer.post(`/v1/tokens/${tokenId}/claim`);
  const before = await check(secret, ['orders:write']);
  const startedAt = Date.now();
  const answer = await requester.issuer.post(`/v1/tokens/${tokenId}/revoke`, { body: { reason: 'the job is done' }, query: { wait: 'fleet' } });
  const after = await check(secret, ['orders:write']);
  say(`revoked, fleet-wide within ${Date.now() - startedAt} ms: ${before.code} before, ${after.code} after (${answer.receipts?.length ?? 0} receipts)`);
  if (after.valid) throw new Error('A revoked token still verifies.');
}

async function prove(tokenId) {
  const types = await until('the log to hold the revocation', async () => {
    const found = [];
    for await (const entry of auditor.audit.pages('/v1/entries', { token: tokenId })) found.unshift(entry.type); // newest first, as the search answers
    return found.includes('token.revoked') && found;
  });
  say(`the audit log tells this token’s life: ${types.join(', ')}`);
  const policy = parsePolicy(`log ${need('WRIT_LOG_VKEY')}\nquorum none\n`);
  const report = await until('a signed checkpoint', async () => {
    const checked = await verifyLog(urlSource(urls.audit), { policy });
    return checked.verdict && checked.verdict.checkpoint.size > 0 && checked;
  });
  if (report.findings.length > 0) throw new Error(`The log does not verify: ${JSON.stringify(report.findings)}`);
  say(`recomputed from its files, the log is intact: ${report.checked} entries under one signed root`);
}

try {
  const tokenId = await askOverAmqp();
  const secret = await claimAndVerify(tokenId);
  await rotate(tokenId, secret);
  const second = await review();
  await revoke(second);
  await prove(second);
} catch (error) {
  process.stderr.write(`${error instanceof ProblemError ? `${error.status} ${error.code}: ${error.detail}` : error.stack}\n`);
  process.exitCode = 1;
}
