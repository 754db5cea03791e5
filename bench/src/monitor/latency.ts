import { fileURLToPath } from 'node:url';
import type { BenchOptions, Row } from '../row.js';
import { inTurns, type Server } from '../verify/http.js';
import { BenchIssuer, nodeFlags } from '../verify/issuer-process.js';
import { post } from '../verify/load.js';

const tokens = 1_000;
const calm = 1_000;

/**
 * What being watched costs a verification: the same door of the same process in turns with the recording of its use and
 * without, at full load and at a thousand a second. Each flush of the records to the database and the bus is part of it.
 */
export async function latency({ quick, say }: BenchOptions): Promise<Row[]> {
  const issuer = await BenchIssuer.start(undefined, undefined, [...(await nodeFlags()), '--import', fileURLToPath(new URL('./usage-switch.js', import.meta.url))]);
  try {
    say(`verify beside the recording of use: issuing ${tokens} tokens`);
    const secrets: string[] = [];
    for (const tokenId of await issuer.issue(tokens)) secrets.push(await issuer.claim(tokenId));
    let isOut = false;
    const recorded = (isWanted: boolean) => async () => {
      if (isOut === !isWanted) return;
      process.kill(issuer.pid, 'SIGUSR2');
      isOut = !isWanted;
    };
    const requests = secrets.map((token, i) => post('/v1/tokens/verify', JSON.stringify({ token, scopes: ['orders:read'], address: `198.51.100.${i % 250}`, agent: 'billing/1' }), { 'content-type': 'application/json', authorization: issuer.basic }));
    const server = (name: string, isWanted: boolean, rate?: number): Server => ({
      name, kind: isWanted ? 'ours' : 'limit', pid: issuer.pid, before: recorded(isWanted), note: isWanted ? 'its use recorded' : 'its use not recorded',
      asked: { port: Number(new URL(issuer.url).port), requests, status: '200', holds: '"code":"VALID"', rate },
    });
    say('verify: in turns with the recording of use and without');
    const [seconds, rounds] = quick ? [4, 3] : [8, 6];
    const rows = [
      ...await inTurns([server('verify, watched', true), server('verify, watched', false)], seconds, rounds),
      ...await inTurns([server(`verify, watched, ${calm} a second`, true, calm), server(`verify, watched, ${calm} a second`, false, calm)], seconds, rounds),
    ];
    return rows.map((row) => ({ ...row, bench: 'monitor' }));
  } finally {
    await issuer.stop();
  }
}
