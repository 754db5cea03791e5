import { withRatios, type BenchOptions, type Row } from '../row.js';
import { authentication, switchable } from './auth.js';
import { claims, minting, sealed } from './claims.js';
import { overHttp } from './http.js';
import { BenchIssuer } from './issuer-process.js';
import { startPeers } from './peers.js';
import { overRpc } from './rpc.js';
import { atScale } from './scale.js';
import { inProcess, revocation } from './sdk.js';
import { besideStopped } from './stopped.js';

const tokens = 1_000;
/** Parts that need no issuer, or one of their own. */
const alone = ['sdk', 'mint', 'scale'];
const usual = ['claim', 'sealed', 'mint', 'http', 'peers', 'auth', 'rpc', 'revoke', 'sdk'];

export async function bench(options: BenchOptions): Promise<Row[]> {
  const { parts = usual } = options;
  const rows = parts.some((part) => !alone.includes(part)) ? await withIssuer(parts, options) : [];
  if (parts.includes('sdk')) rows.push(...(await inProcess(options)));
  if (parts.includes('mint')) rows.push(await minting(options));
  if (parts.includes('scale')) rows.push(...(await atScale(options)));
  return withRatios(rows);
}

async function withIssuer(parts: readonly string[], options: BenchOptions): Promise<Row[]> {
  const { say } = options;
  const issuer = await BenchIssuer.start(async (bench) => ({ WRIT_RPC_BROKER_URL: bench.bus.adminUrl(), WRIT_RPC_PER_SECOND: '1000000' }), undefined, parts.includes('auth') ? switchable : []);
  try {
    say(`issuing ${tokens} tokens`);
    const ids = await issuer.issue(tokens);
    const { row, secrets } = await claims(issuer, ids, options);
    const rows: Row[] = [];
    if (parts.includes('http')) rows.push(...(await besidePeers(issuer, secrets, options, parts)));
    if (parts.includes('auth')) rows.push(...(await authentication(issuer, secrets, ids[0] as string, options)));
    if (parts.includes('rpc')) rows.push(...(await overRpc(issuer, secrets, options)));
    if (parts.includes('revoke')) rows.push(...(await revocation(issuer, options)), await besideStopped(issuer, options));
    if (parts.includes('claim')) rows.push(row);
    if (parts.includes('sealed')) rows.push(await sealed(issuer, options));
    return rows;
  } finally {
    await issuer.stop();
  }
}

async function besidePeers(issuer: BenchIssuer, secrets: readonly string[], options: BenchOptions, parts: readonly string[]): Promise<Row[]> {
  if (!parts.includes('peers')) return overHttp(issuer, secrets, options, []);
  options.say('peers: better-auth, node-oauth2-server, oidc-provider');
  const peers = await startPeers();
  try {
    return await overHttp(issuer, secrets, options, peers.servers);
  } finally {
    await peers.stop();
  }
}
