import { withRatios, type BenchOptions, type Row } from '../row.js';
import { claims } from './claims.js';
import { overHttp } from './http.js';
import { BenchIssuer } from './issuer-process.js';
import { declareRpc, overRpc } from './rpc.js';
import { inProcess, revocation } from './sdk.js';

const tokens = 1_000;

export async function bench(options: BenchOptions): Promise<Row[]> {
  const { say } = options;
  const issuer = await BenchIssuer.start(async (bench) => {
    await declareRpc(bench.bus.adminUrl());
    return { WRIT_RPC_BROKER_URL: bench.bus.adminUrl() };
  });
  try {
    say(`issuing ${tokens} tokens`);
    const { row, secrets } = await claims(issuer, await issuer.issue(tokens), options);
    const rows = [...(await overHttp(issuer, secrets, options)), ...(await overRpc(issuer, secrets, options)), ...(await revocation(issuer, options)), row];
    return withRatios([...rows, ...(await inProcess(options))]);
  } finally {
    await issuer.stop();
  }
}
