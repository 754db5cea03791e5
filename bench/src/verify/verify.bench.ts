import { withRatios, type BenchOptions, type Row } from '../row.js';
import { claims } from './claims.js';
import { overHttp } from './http.js';
import { BenchIssuer } from './issuer-process.js';
import { declareRpc, overRpc } from './rpc.js';
import { inProcess, revocation } from './sdk.js';

const tokens = 1_000;
const usual = ['claim', 'http', 'rpc', 'revoke', 'sdk'];

export async function bench(options: BenchOptions): Promise<Row[]> {
  const { parts = usual } = options;
  const rows = parts.some((part) => part !== 'sdk') ? await withIssuer(parts, options) : [];
  if (parts.includes('sdk')) rows.push(...(await inProcess(options)));
  return withRatios(rows);
}

async function withIssuer(parts: readonly string[], options: BenchOptions): Promise<Row[]> {
  const { say } = options;
  const issuer = await BenchIssuer.start(async (bench) => {
    await declareRpc(bench.bus.adminUrl());
    return { WRIT_RPC_BROKER_URL: bench.bus.adminUrl() };
  });
  try {
    say(`issuing ${tokens} tokens`);
    const { row, secrets } = await claims(issuer, await issuer.issue(tokens), options);
    const rows: Row[] = [];
    if (parts.includes('http')) rows.push(...(await overHttp(issuer, secrets, options)));
    if (parts.includes('rpc')) rows.push(...(await overRpc(issuer, secrets, options)));
    if (parts.includes('revoke')) rows.push(...(await revocation(issuer, options)));
    if (parts.includes('claim')) rows.push(row);
    return rows;
  } finally {
    await issuer.stop();
  }
}
