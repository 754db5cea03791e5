import { withRatios, type BenchOptions, type Row } from '../row.js';
import { claims } from './claims.js';
import { overHttp } from './http.js';
import { BenchIssuer } from './issuer-process.js';

const tokens = 1_000;

export async function bench(options: BenchOptions): Promise<Row[]> {
  const { say } = options;
  const issuer = await BenchIssuer.start();
  try {
    say(`issuing ${tokens} tokens`);
    const ids = await issuer.issue(tokens);
    const { row, secrets } = await claims(issuer, ids, options);
    return withRatios([...(await overHttp(issuer, secrets, options)), row]);
  } finally {
    await issuer.stop();
  }
}
