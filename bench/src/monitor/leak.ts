import { fork } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AlertStop, AlertView } from '@writ/contracts';
import { createGateway, type Gateway } from '@writ/gateway';
import type { Platform } from '../platform.js';
import { quantile, type Row } from '../row.js';
import { call, obtain } from './refusal.js';
import { freePort } from './own-redis.js';

const verifiers = 10;
const patienceMs = 30_000;
const reporter = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/**
 * From a signed leak report to the refusal at the last of ten gateways that verify from memory, as these see it, and as
 * the owner is told by the receipts. One more monitor takes the reports: the platform's own knows no reporter.
 */
export async function leaks(platform: Platform, count: number, say: (line: string) => void): Promise<Row[]> {
  say(`leak to refusal: ${count} reports, ${verifiers} gateways`);
  const monitor = await takingReports(platform);
  const { env } = platform;
  const gateways = Array.from({ length: verifiers }, (_, i) => createGateway({
    issuerUrl: env.WRIT_ISSUER_URL ?? '', clientId: env.WRIT_GATEWAY_CLIENT_ID ?? '', clientSecret: env.WRIT_GATEWAY_CLIENT_SECRET ?? '', audience: 'orders', name: `bench-${i}`,
  }));
  try {
    await Promise.all(gateways.map((gateway) => gateway.ready()));
    const seen: number[] = [];
    const stops: AlertStop[] = [];
    for (let i = 0; i < count; i++) {
      const secret = await obtain(env, `svc:leak-${i}`);
      await Promise.all(gateways.map((gateway) => gateway.verify(secret)));
      seen.push(await report(monitor.url, secret, gateways));
      stops.push(await told(env, secret, gateways[0] as Gateway));
    }
    const row = (name: string, ms: number[], note: string): Row => ({ bench: 'monitor', name, kind: 'ours', perSecond: 1_000 / quantile(ms, 0.5), p50Ms: quantile(ms, 0.5), p99Ms: quantile(ms, 0.99), note });
    return [
      row('leak to refusal', seen, `${count} signed reports, to the refusal at the last of ${verifiers} gateways`),
      row('leak to refusal, as told', stops.map(({ afterMs }) => afterMs), `as the owner’s alert says: ${stops.reduce((sum, { fenced }) => sum + fenced, 0)} of ${stops.reduce((sum, { acknowledged, fenced }) => sum + acknowledged + fenced, 0)} receipts are of a lease that ran out`),
    ];
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    monitor.stop();
  }
}

async function takingReports(platform: Platform): Promise<{ url: string; stop(): void }> {
  const own = Object.fromEntries(readFileSync(`/proc/${platform.pids.get('monitor')}/environ`, 'utf8').split('\0').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  const port = await freePort();
  const keys = { public_keys: [{ key_identifier: 'bench', key: reporter.publicKey.export({ type: 'spki', format: 'pem' }), is_current: true }] };
  const child = fork(fileURLToPath(new URL('../../../apps/monitor/dist/main.js', import.meta.url)), [], { env: { ...own, WRIT_HTTP_PORT: String(port), WRIT_LEAK_KEYS: JSON.stringify(keys) }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + patienceMs; !(await fetch(`${url}/health/ready`).catch(() => undefined))?.ok; await sleep(100)) if (Date.now() > end) throw new Error('The second monitor is not ready.');
  return { url, stop: () => child.kill('SIGTERM') };
}

/** @returns milliseconds from sending the report until no gateway says yes */
async function report(url: string, secret: string, gateways: readonly Gateway[]): Promise<number> {
  const body = JSON.stringify([{ token: secret, type: 'writ_token', url: 'https://example.com/bench', source: 'commit' }]);
  const signature = createSign('sha256').update(body).sign(reporter.privateKey, 'base64');
  const startedAt = performance.now();
  const answer = await fetch(`${url}/v1/leaks`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'github-public-key-identifier': 'bench', 'github-public-key-signature': signature } });
  if (!answer.ok) throw new Error(`The report was answered with ${answer.status}: ${await answer.text()}`);
  for (;;) {
    const answers = await Promise.all(gateways.map((gateway) => gateway.verify(secret)));
    if (answers.every(({ code }) => code === 'REVOKED')) return performance.now() - startedAt;
    if (performance.now() - startedAt > patienceMs) throw new Error(`A leaked secret still works after ${patienceMs / 1000} s.`);
    await sleep(2);
  }
}

async function told(env: Record<string, string>, secret: string, gateway: Gateway): Promise<AlertStop> {
  const { tokenId } = await gateway.verify(secret);
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(50)) {
    const { items } = await call<{ items: AlertView[] }>(`${env.WRIT_MONITOR_URL}/v1/alerts?token=${tokenId ?? ''}`, { authorization: `Bearer ${env.WRIT_AUDITOR_TOKEN ?? ''}` });
    const stop = items.find(({ detector }) => detector === 'leak')?.stop;
    if (stop) return stop;
  }
  throw new Error('The owner was not told when the leaked token was refused everywhere.');
}
