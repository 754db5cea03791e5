import { startService, type Service } from '@writ/service';
import { Tap, TestBench, until } from '@writ/testing';
import type { RotationId, TokenId } from '@writ/contracts';
import { RotationConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { RotationModule } from '../src/rotation.module.js';

interface Answer { rotationId: RotationId; state: string; code: string; startedAt: string; deadlineAt: string; endedAt?: string; items: object[]; buckets: object[]; campaignId: string; seen: number; spreadAt?: string }

export let bench: TestBench;
let services: Service[];
export let tap: Tap;
const tokens: Record<string, string> = {};
let counter = 0;
export const newTokenId = () => `tok_${String((counter += 1)).padStart(26, '0')}` as TokenId;
export const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
export const day = 86_400;

export async function call(method: string, path: string, token: string, json?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(services[0]!.url + path, {
    method, headers: { authorization: `Bearer ${tokens[token]}`, ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: json === undefined ? undefined : JSON.stringify(json),
  });
  return { status: answer.status, body: (await answer.json().catch(() => undefined)) as Answer };
}
export const rows = (sql: string, values: unknown[] = []) => bench.database('rotation').query(sql, values);
export const requestIdOf = (tokenId: string) => tokenId.replace('tok_', 'req_') as never;

export async function issue(more: Record<string, unknown> = {}): Promise<TokenId> {
  const tokenId = (more.tokenId as TokenId | undefined) ?? newTokenId();
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: requestIdOf(tokenId), owner: { id: 'svc:a', team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: 'alice' }, resource: 'orders', audience: 'orders',
    scopes: ['orders:read'], environment: 'prod', issuedAt: inSeconds(0), expiresAt: inSeconds(365 * day), rotateSeconds: 30 * day, graceSeconds: day, delivery: { mode: 'claim' }, ...more,
  });
  return tokenId;
}
export const deliver = (tokenId: TokenId, generation = 1, said: { time?: string } = {}) =>
  bench.bus.say('issuer', 'token.delivered', { tokenId, requestId: requestIdOf(tokenId), generation, claimant: { iss: 'x', sub: 'alice' }, claims: 1 }, said);
export const rotated = (tokenId: TokenId, rotationId: RotationId, stage: 'claimable' | 'delivered' | 'used', generation = 2, more: { deadlineAt?: string; alone?: true; sealed?: string } = {}, said: { time?: string } = {}) =>
  bench.bus.say('issuer', 'token.rotated', { tokenId, rotationId, stage, generation, deadlineAt: inSeconds(day), ...more }, said);
export const retired = (tokenId: TokenId, rotationId: RotationId, generation: number, code = 'unused') =>
  bench.bus.say('issuer', 'token.retired', { tokenId, rotationId, generation, code, seq: 1 });
export const change = (type: 'token.suspended' | 'token.resumed' | 'token.revoked', tokenId: TokenId, seq: number) =>
  bench.bus.say('issuer', type, { tokenId, seq, by: { kind: 'person' }, code: 'test' });
export const transferred = (tokenId: TokenId, seq: number, to = 'svc:new', claimant = 'mallory') =>
  bench.bus.say('issuer', 'token.transferred', {
    tokenId, requestId: requestIdOf(tokenId), from: { id: 'svc:a', team: 'orders' }, to: { id: to, team: 'orders' }, claimant: { iss: bench.identity.issuer, sub: claimant },
    by: { kind: 'owner-deactivated' }, seq,
  });

export async function issued(more: { delivery?: { mode: string; keyId?: string } } & Record<string, unknown> = {}): Promise<TokenId> {
  const tokenId = await issue(more);
  // What is sealed is delivered by its issue; a delivery heard later would plan anew what a test has made due.
  if (more.delivery?.mode !== 'sealed') await deliver(tokenId);
  await until(async () => (await rows('SELECT 1 FROM token WHERE token_id = $1 AND secret_since IS NOT NULL', [tokenId])).length === 1, 'the token to be known');
  return tokenId;
}
/** Makes the rotation of a token due now. */
export const makeDue = (tokenId: TokenId) => rows(`UPDATE token SET rotate_at = now() - interval '1 second' WHERE token_id = $1`, [tokenId]);
export async function due(more: Record<string, unknown> = {}): Promise<{ tokenId: TokenId; rotationId: RotationId; data: { deadlineAt: string; claimBefore: string } }> {
  const tokenId = await issued(more);
  await makeDue(tokenId);
  const { envelope: { data } } = await tap.next('rotation.due', (event) => event.tokenId === tokenId);
  return { tokenId, rotationId: data.rotationId as RotationId, data: data as never };
}
export const stateOf = async (rotationId: string) => (await rows('SELECT state FROM rotation WHERE rotation_id = $1', [rotationId]))[0]?.state as string;
export const inState = (rotationId: string, state: string) => until(async () => (await stateOf(rotationId)) === state, `the rotation to be ${state}`);

export function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) => permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]));
}

/** Two replicas of the service on databases and a bus of their own. */
export async function begin(): Promise<void> {
  bench = await TestBench.create();
  const env = await bench.env('rotation', migrations, { WRIT_TICK_MS: '50', WRIT_DUE_BATCH: '10' });
  services = await Promise.all([1, 2].map(() => startService({ name: 'rotation', module: RotationModule, config: RotationConfig, env })));
  tap = await bench.bus.tap();
  tokens.owner = await bench.identity.token({ sub: 'svc:a', team: 'orders' });
  tokens.claimant = await bench.identity.token({ sub: 'alice', team: 'orders' });
  tokens.stranger = await bench.identity.token({ sub: 'mallory', team: 'orders' });
  tokens.admin = await bench.identity.token({ sub: 'ada', groups: ['admins'] });
}
export async function end(): Promise<void> {
  await Promise.all((services ?? []).map((service) => service.close()));
  await bench?.drop();
}
